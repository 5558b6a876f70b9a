import { CallContext } from "../shared/call_context.ts";
import { Deferred, whenSettled } from "../shared/promises.ts";
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
  /** What the function has returned, if that is a promise: it has reactions of each caller's own. */
  returned: Promise<V> | undefined;
  /** What all have that need nothing of their own; none while the function is in its synchronous part. */
  outcome: Promise<V> | undefined;
  /** Whether anybody has the outcome. */
  #common = false;
  joined = 0;
  /** The others, if there are any: most calls have none. */
  #callers: Set<Caller<K, V>> | undefined;

  constructor(key: K, onDeserted: (call: Call<K, V>) => void) {
    this.key = key;
    this.#onDeserted = onDeserted;
  }

  /** For a caller who is given the outcome. */
  join(): undefined {
    this.joined++;
    this.#common = true;
  }

  /** For a caller with a promise of its own, who leaves when the signal aborts. */
  joinAlone(signal: AbortSignal | undefined, detailed: boolean): Caller<K, V> {
    const caller = new Caller(this, signal, detailed);
    onAbort(signal, caller);
    (this.#callers ??= new Set()).add(caller);
    this.joined++;
    return caller;
  }

  leave(caller: Caller<K, V>, reason: unknown): void {
    // It may be too late: it only has to fetch what it is given.
    if (!this.#callers?.delete(caller)) return;
    caller.leave(reason);
    if (this.#common || this.#callers.size > 0) return;
    // The key is free before anybody hears of it: a newcomer must not join a flight that dies.
    this.#onDeserted(this);
    CallContext.abort(this.context, reason);
  }

  /** Throws the error for those who have the outcome. */
  fail(error: unknown): V {
    for (const caller of this.#land()) caller.given = { error };
    if (this.#common) throw error;
    return undefined as V;
  }

  /** `copy` makes each caller's value, but where `original` says so the first gets `value` itself. */
  succeed(value: V, copy: ((value: V) => V) | undefined, original: boolean): void {
    // All copies before the first promise: what a caller does to its value must not reach another's.
    for (const caller of this.#land()) {
      try {
        caller.given = { value: copy && !original ? copy(value) : value };
      } catch (error) {
        caller.given = { error };
      }
      original = false;
    }
  }

  /** From here on nobody leaves. */
  #land(): Iterable<Caller<K, V>> {
    const callers = this.#callers ?? [];
    this.#callers = undefined;
    return callers;
  }
}

/**
 * A caller with a promise of its own. Nobody else settles it: a Cloudflare Worker never goes on with
 * what another request has settled.
 */
class Caller<K, V> implements Abortable {
  readonly #call: Call<K, V>;
  readonly #detailed: boolean;
  #signal: AbortSignal | undefined;
  /** Gone with a caller who has left: what is left of it stays until the call has settled. */
  result: Deferred<V | FlightResult<V>> | undefined = new Deferred();
  /** What it will fetch. */
  given: { readonly value: V } | { readonly error: unknown } | undefined;

  constructor(call: Call<K, V>, signal: AbortSignal | undefined, detailed: boolean) {
    this.#call = call;
    this.#signal = signal;
    this.#detailed = detailed;
  }

  /** Fetches what it is given when `settled` is: in a reaction of its own, made in its own call. */
  follow(settled: Promise<V> | undefined): void {
    const fetch = (): void => this.#fetch();
    if (settled) whenSettled(settled, fetch, fetch);
    else fetch();
  }

  leave(reason: unknown): void {
    this.result!.reject(reason);
    this.result = this.#signal = undefined;
  }

  error(reason: unknown): void {
    this.#call.leave(this, reason);
  }

  #fetch(): void {
    const { given, result } = this;
    if (!result) return;
    // Another request has settled what the function returned: then reactions come in any order.
    if (!given) return this.follow(this.#call.outcome);
    offAbort(this.#signal, this);
    if ("error" in given) result.reject(given.error);
    else result.resolve(this.#detailed ? { ...given, shared: this.#call.joined > 1 } : given.value);
  }
}
