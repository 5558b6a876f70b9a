import { CallContext } from "./call_context.ts";
import type { Expiring } from "./deadlines.ts";
import { Deferred, markHandled } from "./promises.ts";
import { follow, type Follower, unfollow } from "./signals.ts";

/** What a caller learns of a flight: Go's results. */
export interface FlightResult<V> {
  /** What the function returned. */
  readonly value: V;
  /** Whether more than one caller has been given it. */
  readonly shared: boolean;
}

/** One execution, and those who wait for it. */
export class Flight<K, V> implements Expiring {
  deadline = 0;
  before: Expiring | undefined;
  after: Expiring | undefined;

  readonly key: K;
  readonly context: CallContext = new CallContext();
  readonly #onDeserted: (flight: Flight<K, V>) => void;
  /** The function is in its synchronous part: whoever joins from there would wait for itself. */
  starting = true;
  shared = false;
  /** How the execution ends. */
  outcome!: Promise<V>;
  #joined = 0;
  /** The outcome, for all callers that cannot leave and need nothing of their own. */
  #common: Promise<V> | undefined;
  /** The others, if there are any: most flights have none. */
  #callers: Set<Caller<K, V>> | undefined;

  constructor(key: K, onDeserted: (flight: Flight<K, V>) => void) {
    this.key = key;
    this.#onDeserted = onDeserted;
  }

  /** Whether every caller has left. */
  get deserted(): boolean {
    return this.#common === undefined && !this.#callers?.size;
  }

  /** The synchronous part of the function is over, and there is an outcome. */
  started(): void {
    this.starting = false;
    // Whoever has joined by now is told the error by a promise of its own.
    if (this.#joined > 0) markHandled(this.outcome);
  }

  /** The promise that all callers may share. */
  join(): Promise<V> {
    this.#count();
    // Not the one that was marked, or nobody would hear of it if these do not handle it.
    return this.#common ??= this.#joined > 1 ? this.outcome.then() : this.outcome;
  }

  /** A promise of one caller alone, who leaves when the signal aborts. */
  joinAlone(
    signal: AbortSignal | undefined,
    detailed: boolean,
  ): Promise<V | FlightResult<V>> {
    this.#count();
    const caller = new Caller(this, signal, detailed);
    (this.#callers ??= new Set()).add(caller);
    return caller.promise;
  }

  leave(caller: Caller<K, V>, reason: unknown): void {
    this.#callers!.delete(caller);
    caller.reject(reason);
    if (!this.deserted) return;
    // The key is free before anybody hears of it: a newcomer must not join a flight that dies.
    this.#onDeserted(this);
    CallContext.abort(this.context, reason);
  }

  fail(error: unknown): void {
    for (const caller of this.#land()) caller.reject(error);
  }

  /** `copy` makes each caller's value, but where `original` says so the first gets `value` itself. */
  succeed(value: V, copy: ((value: V) => V) | undefined, original: boolean): void {
    const callers = this.#land();
    // All copies before the first promise: what a caller does to its value must not reach another's.
    const values = callers.map((caller, index) => {
      if (copy === undefined || (original && index === 0)) return value;
      try {
        return copy(value);
      } catch (error) {
        caller.reject(error);
        return value;
      }
    });
    for (const [index, caller] of callers.entries()) caller.resolve(values[index]!, this.shared);
  }

  #count(): void {
    this.shared = ++this.#joined > 1;
  }

  #land(): Caller<K, V>[] {
    const callers = [...this.#callers ?? []];
    this.#callers = undefined;
    for (const caller of callers) caller.unfollow();
    return callers;
  }
}

/** A caller with a promise of its own. */
class Caller<K, V> implements Follower {
  readonly #flight: Flight<K, V>;
  readonly #signal: AbortSignal | undefined;
  readonly #detailed: boolean;
  readonly #outcome = new Deferred<V | FlightResult<V>>();

  constructor(flight: Flight<K, V>, signal: AbortSignal | undefined, detailed: boolean) {
    this.#flight = flight;
    this.#signal = signal;
    this.#detailed = detailed;
    if (signal) follow(signal, this);
  }

  get promise(): Promise<V | FlightResult<V>> {
    return this.#outcome.promise;
  }

  resolve(value: V, shared: boolean): void {
    this.#outcome.resolve(this.#detailed ? { value, shared } : value);
  }

  reject(reason: unknown): void {
    this.#outcome.reject(reason);
  }

  signalAborted(reason: unknown): void {
    this.#flight.leave(this, reason);
  }

  unfollow(): void {
    if (this.#signal) unfollow(this.#signal, this);
  }
}
