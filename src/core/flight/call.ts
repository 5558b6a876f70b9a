import { CallContext } from "../shared/call_context.ts";
import { Deferred, markHandled } from "../shared/promises.ts";
import { type Abortable, offAbort, onAbort } from "../shared/signals.ts";

/** What a caller learns of a call: Go's results. */
export interface FlightResult<V> {
  /** What the function returned. */
  readonly value: V;
  /** Whether more than one caller has asked for it. */
  readonly shared: boolean;
}

/** One execution, and those who wait for it. */
export class Call<K, V> {
  readonly key: K;
  readonly context: CallContext = new CallContext();
  readonly #onDeserted: (call: Call<K, V>) => void;
  /** When it started, by `performance.now()`; only looked at where calls are forgotten by time. */
  startedAt = 0;
  /** How the execution ends; there is none while the function is in its synchronous part. */
  outcome: Promise<V> | undefined;
  #joined = 0;
  /** The outcome, for all callers that cannot leave and need nothing of their own. */
  #common: Promise<V> | undefined;
  /** The others, if there are any: most calls have none. */
  #callers: Set<Caller<K, V>> | undefined;

  constructor(key: K, onDeserted: (call: Call<K, V>) => void) {
    this.key = key;
    this.#onDeserted = onDeserted;
  }

  /** Whether more than one caller has asked for it. */
  get shared(): boolean {
    return this.#joined > 1;
  }

  /** The synchronous part of the function is over, and there is an outcome. */
  started(outcome: Promise<V>): void {
    this.outcome = outcome;
    // Whoever has joined by now is told the error by a promise of its own.
    if (this.#joined > 0) markHandled(outcome);
  }

  /** The promise that all callers may share. */
  join(): Promise<V> {
    this.#joined++;
    // Not the one that was marked, or nobody would hear of it if these do not handle it.
    return this.#common ??= this.shared ? this.outcome!.then() : this.outcome!;
  }

  /** A promise of one caller alone, who leaves when the signal aborts. */
  joinAlone(
    signal: AbortSignal | undefined,
    detailed: boolean,
  ): Promise<V | FlightResult<V>> {
    this.#joined++;
    const caller = new Caller(this, signal, detailed);
    (this.#callers ??= new Set()).add(caller);
    return caller.promise;
  }

  leave(caller: Caller<K, V>, reason: unknown): void {
    this.#callers!.delete(caller);
    caller.reject(reason);
    if (this.#common || this.#callers!.size > 0) return;
    // The key is free before anybody hears of it: a newcomer must not join a flight that dies.
    this.#onDeserted(this);
    CallContext.abort(this.context, reason);
  }

  fail(error: unknown): void {
    for (const caller of this.#land()) caller.reject(error);
  }

  /** `copy` makes each caller's value, but where `original` says so the first gets `value` itself. */
  succeed(value: V, copy: ((value: V) => V) | undefined, original: boolean): void {
    // The usual case: all share the outcome.
    if (!this.#callers) return;
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
    callers.forEach((caller, index) => caller.land(values[index]!, this.shared));
  }

  #land(): Caller<K, V>[] {
    const callers = [...this.#callers ?? []];
    this.#callers = undefined;
    for (const caller of callers) caller.settled();
    return callers;
  }
}

/** A caller with a promise of its own. */
class Caller<K, V> extends Deferred<V | FlightResult<V>> implements Abortable {
  readonly #call: Call<K, V>;
  readonly #signal: AbortSignal | undefined;
  readonly #detailed: boolean;

  constructor(call: Call<K, V>, signal: AbortSignal | undefined, detailed: boolean) {
    super();
    this.#call = call;
    this.#signal = signal;
    this.#detailed = detailed;
    onAbort(signal, this);
  }

  land(value: V, shared: boolean): void {
    this.resolve(this.#detailed ? { value, shared } : value);
  }

  error(reason: unknown): void {
    this.#call.leave(this, reason);
  }

  settled(): void {
    offAbort(this.#signal, this);
  }
}
