import { CallContext } from "../shared/call_context.ts";
import { check, FUNCTION, readSignal, type Rule, show } from "../shared/options.ts";
import { isThenable, markHandled, whenSettled } from "../shared/promises.ts";
import { type Abortable, offAbort, onAbort } from "../shared/signals.ts";
import type {
  FlightCache,
  FlightCallOptions,
  FlightFunction,
  FlightResult,
  FlightStats,
  SingleflightOptions,
} from "./flight_options.ts";

/** What a function, or a copy of its value, has come to: an error may be `undefined`. */
type Given<V> = { readonly value: V } | { readonly error: unknown };

/** What `fn` makes of it, if it is a value. */
function map<V>(given: Given<V>, fn: (value: V) => V): Given<V> {
  if ("error" in given) return given;
  try {
    return { value: fn(given.value) };
  } catch (error) {
    return { error };
  }
}

/** One execution; where only plain `do` had to do with one, the next one is the same object. */
class Call<K, V> {
  key: K;
  context: CallContext | undefined;
  /** By `performance.now()`; only looked at where calls are forgotten by time. */
  startedAt: number | undefined;
  /** Those who have a promise of their own, and how many of them have left. */
  callers: Caller<V>[] | undefined;
  left = 0;
  /** What the function has returned; none while it is in its synchronous part. */
  returned: Promise<V> | undefined;
  /** The one promise of all who need none of their own. */
  outcome: Promise<V> | undefined;
  /** From here on nobody leaves. */
  given: Given<V> | undefined;
  /** What the outcome is made of. */
  readonly fulfilled: (value: V) => V;
  readonly rejected: (error: unknown) => V;

  constructor(flights: Flights<K, V>, key: K) {
    this.key = key;
    this.fulfilled = (value) => flights.fulfil(this, value);
    this.rejected = (error) => flights.settle(this, { error });
  }
}

/** A caller with a promise of its own. */
interface Caller<V> {
  /** What it has when its own reaction comes. */
  given: Given<V> | undefined;
  /** It leaves. Nothing else is left of one who has, and that stays until the call has settled. */
  error: ((reason: unknown) => void) | undefined;
}

// Nothing is of this kind: who checks has a promise.
const AT_ONCE: Rule = ["", "answer at once, not with a promise: look it up inside the function"];

/** What is given where the stack has ended: who has called was told. */
const OVER = { value: undefined as never };

/** The calls in flight, and who waits for them. */
export class Flights<K, V> {
  readonly #owner: string;
  readonly #clone: ((value: V) => V) | undefined;
  readonly #cache: FlightCache<K, V> | undefined;
  readonly #forgetAfter: number;
  /** One call in flight, where there is neither cache nor time: where it is the only one no `Map` is asked. */
  private first: Call<K, V> | undefined;
  /** The others, the oldest first. */
  readonly #calls = new Map<K, Call<K, V>>();
  /** A call is over that is still among them: the stack had ended. */
  #broken = false;
  /** One that is over. */
  #spare: Call<K, V> | undefined;
  #running = 0;
  #executions = 0;
  private shared = 0;
  #hits = 0;

  constructor(owner: string, { clone, cache, forgetAfter = Infinity }: SingleflightOptions<K, V>) {
    this.#owner = owner;
    this.#clone = clone;
    this.#cache = cache;
    this.#forgetAfter = forgetAfter;
  }

  get stats(): FlightStats {
    return {
      running: this.#running,
      executions: this.#executions,
      shared: this.shared,
      hits: this.#hits,
    };
  }

  get size(): number {
    return this.#live().size + (this.first ? 1 : 0);
  }

  /** The calls in the `Map` that a newcomer would join. There is no timer: the clock is looked at here. */
  #live(): Map<K, Call<K, V>> {
    const calls = this.#calls;
    if (this.#broken) {
      for (const [key, { given }] of calls) given && calls.delete(key);
      this.#broken = false;
    }
    if (this.#forgetAfter < Infinity) {
      for (const [key, { returned, startedAt }] of calls) {
        // It is still in its synchronous part, and calls itself, or others.
        if (!returned) continue;
        if (performance.now() - startedAt! < this.#forgetAfter) break;
        calls.delete(key);
      }
    }
    return calls;
  }

  /** The call that a newcomer would join. */
  find(key: K): Call<K, V> | undefined {
    const { first } = this;
    return first && first.key === key ? first : this.#live().get(key);
  }

  forget(key: K): boolean {
    const dropped = this.#drop(this.find(key));
    if (!this.#atOnce(this.#cache?.has(key))) return dropped;
    this.#cache!.delete(key);
    return true;
  }

  clear(): void {
    this.first = undefined;
    this.#calls.clear();
    this.#cache?.clear?.();
  }

  /** A plain `do` that joins what is there; everything else goes the long way. */
  do(key: K, fn: FlightFunction<V>, options: FlightCallOptions | undefined): Promise<V> {
    const first = this.first;
    if (
      first && first.key === key && first.outcome && options === undefined &&
      typeof fn === "function"
    ) {
      this.shared++;
      return first.outcome;
    }
    return this.call(key, fn, options, false) as Promise<V>;
  }

  call(
    key: K,
    fn: FlightFunction<V>,
    options: FlightCallOptions | undefined,
    detailed: boolean,
  ): Promise<V | FlightResult<V>> {
    let started: Call<K, V> | undefined;
    try {
      const signal = readSignal(this.#owner, options);
      if (signal?.aborted) throw signal.reason;
      if (typeof fn !== "function") check(this.#owner, "fn", fn, FUNCTION);
      if (this.#cache) {
        // `get` comes first: between the two a value may expire.
        const kept = this.#atOnce(this.#cache.get(key));
        if (kept !== undefined || this.#atOnce(this.#cache.has(key))) {
          this.#hits++;
          const clone = this.#clone;
          const value = clone ? clone(kept as V) : kept as V;
          return Promise.resolve(detailed ? { value, shared: true } : value);
        }
        // The cache is anybody's code.
        if (signal?.aborted) throw signal.reason;
      }
      let call = this.find(key);
      if (call && !call.returned) {
        throw new Error(`${this.#owner}: the function for key ${show(key)} waits for itself`);
      }
      if (!call) {
        call = started = this.#spare ?? new Call(this, key);
        this.#spare = undefined;
        call.key = key;
      }
      if (detailed || signal || this.#clone) return this.#alone(call, fn, signal, detailed);
      this.#join(call, fn);
      return call.outcome ??= whenSettled(call.returned!, call.fulfilled, call.rejected);
    } catch (error) {
      // The stack has ended. Whatever is called or made here may throw again, so the key is freed later.
      if (started?.context) {
        if (!started.given) this.#running--;
        started.given = OVER;
        if (this.first === started) this.first = undefined;
        this.#broken = true;
      }
      return Promise.reject(error);
    }
  }

  /**
   * For a caller who may leave, or has a value of its own. It is settled in a reaction of its own that
   * is made in its own call: a Cloudflare Worker never goes on with what another request has settled.
   * There reactions come in any order, and whichever is the first lands the call. Where the function
   * has ended at once there is nothing to wait for.
   */
  #alone(
    call: Call<K, V>,
    fn: FlightFunction<V>,
    signal: AbortSignal | undefined,
    detailed: boolean,
  ): Promise<V | FlightResult<V>> {
    let resolve: ((result: V | FlightResult<V>) => void) | undefined;
    let reject: ((error: unknown) => void) | undefined;
    const own = signal && new Promise<V | FlightResult<V>>((...ends) => [resolve, reject] = ends);
    const caller: Caller<V> = {
      given: undefined,
      error: (reason) => {
        // It may be too late: it only has to fetch what it is given.
        if (call.given) return;
        reject?.(reason);
        offAbort(signal, caller as Abortable);
        signal =
          resolve =
          reject =
          caller.error =
            undefined;
        if (call.outcome || ++call.left < call.callers!.length) return;
        // The key is free before anybody hears of it: a newcomer must not join a flight that dies.
        this.#drop(call);
        CallContext.abort(call.context!, reason);
      },
    };
    onAbort(signal, caller as Abortable);
    (call.callers ??= []).push(caller);
    this.#join(call, fn);
    const settle = (came: Given<V>) => {
      if (!call.given) this.#land(call, came);
      const { given } = caller;
      if (!given) return;
      offAbort(signal, caller as Abortable);
      if ("error" in given) {
        if (!reject) throw given.error;
        return reject(given.error);
      }
      const { value } = given;
      const shared = !!call.outcome || call.callers!.length > 1;
      const result = detailed ? { value, shared } : value;
      return resolve ? resolve(result) : result;
    };
    const heard = whenSettled(
      call.returned!,
      (value) => settle({ value }),
      (error) => settle({ error }),
    );
    return own ?? heard as Promise<V>;
  }

  /** Has the function begin. What it throws, and what it gives at once, lands the call at once. */
  #join(call: Call<K, V>, fn: FlightFunction<V>): void {
    if (call.context) {
      this.shared++;
      return;
    }
    this.#executions++;
    call.context = new CallContext();
    this.#running++;
    if (this.#forgetAfter < Infinity) call.startedAt = performance.now();
    // NaN equals nothing here.
    const plain = !this.#cache && this.#forgetAfter === Infinity && call.key === call.key;
    if (plain && !this.first) this.first = call;
    else this.#calls.set(call.key, call);
    let given: Given<V>;
    try {
      const returned = fn(call.context);
      if (isThenable(returned)) {
        call.returned = Promise.resolve(returned);
        return;
      }
      given = { value: returned };
    } catch (error) {
      given = { error };
    }
    this.#land(call, given);
  }

  /** Settles those who share the outcome with a value: in a few lines, where nobody else is there. */
  fulfil(call: Call<K, V>, value: V): V {
    if (this.first !== call || call.callers) return this.settle(call, { value });
    this.#running--;
    this.first =
      call.key =
      call.context =
      call.returned =
      call.outcome =
        undefined as never;
    this.#spare = call;
    return value;
  }

  /** Settles those who share the outcome. */
  settle(call: Call<K, V>, came: Given<V>): V {
    if (!call.given) this.#land(call, came);
    const given = call.given!;
    if ("error" in given) throw given.error;
    return given.value;
  }

  /** Frees the key, keeps the value, and has each caller's ready. */
  #land(call: Call<K, V>, given: Given<V>): void {
    call.given = given;
    this.#running--;
    const cache = this.#cache;
    if (this.#drop(call) && cache) {
      call.given = given = map(given, (value) => {
        this.#atOnce(cache.set(call.key, value));
        return value;
      });
    }
    // Without a cache the first has the value itself.
    let copy = cache && this.#clone;
    // All copies before the first promise: what a caller does to its value must not reach another's.
    for (const caller of call.callers ?? []) {
      if (!caller.error) continue;
      caller.given = copy ? map(given, copy) : given;
      copy = this.#clone;
    }
  }

  /** Frees the key, unless it belongs to a newer one. Says whether it has. */
  #drop(call: Call<K, V> | undefined): boolean {
    const current = call !== undefined && this.find(call.key) === call;
    if (current && !this.#calls.delete(call.key)) this.first = undefined;
    return current;
  }

  /** What the cache answers: a promise would be taken for a value that is there. */
  #atOnce<T>(answer: T): T {
    if (isThenable(answer)) {
      markHandled(Promise.resolve(answer));
      check(this.#owner, "cache", answer, AT_ONCE);
    }
    return answer;
  }
}
