import { CallContext } from "../shared/call_context.ts";
import { check, FUNCTION, readSignal, type Rule, show } from "../shared/options.ts";
import { isThenable, markHandled, whenSettled } from "../shared/promises.ts";
import { offAbort, onAbort } from "../shared/signals.ts";
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

/** One execution. */
interface Call<K, V> {
  readonly key: K;
  readonly context: CallContext;
  /** By `performance.now()`; only looked at where calls are forgotten by time. */
  readonly startedAt: number;
  /** How many have asked for it, and how many of them have left. */
  joined: number;
  left: number;
  /** Those who have a promise of their own. */
  readonly callers: Caller<V>[];
  /** What the function has returned; none while it is in its synchronous part. */
  returned: Promise<V> | undefined;
  /** The one promise of all who need none of their own. */
  outcome: Promise<V> | undefined;
  /** From here on nobody leaves. */
  given: Given<V> | undefined;
}

/** A caller with a promise of its own. */
interface Caller<V> {
  /** What it has when its own reaction comes. */
  given: Given<V> | undefined;
  /** Gone with a caller who has left: what is left of it stays until the call has settled. */
  settle: ((given: Given<V>) => void) | undefined;
}

/** What `fn` makes of it, if it is a value. */
function map<V>(given: Given<V>, fn: (value: V) => V): Given<V> {
  if ("error" in given) return given;
  try {
    return { value: fn(given.value) };
  } catch (error) {
    return { error };
  }
}

// Nothing is of this kind: who checks has a promise.
const AT_ONCE: Rule = ["", "answer at once, not with a promise: look it up inside the function"];

/** The calls in flight, and who waits for them. */
export class Flights<K, V> {
  readonly #owner: string;
  readonly #clone: ((value: V) => V) | undefined;
  readonly #cache: FlightCache<K, V> | undefined;
  readonly #forgetAfter: number;
  /** The oldest first. */
  readonly #calls = new Map<K, Call<K, V>>();
  readonly #stats = { running: 0, executions: 0, shared: 0, hits: 0 };

  constructor(owner: string, options: SingleflightOptions<K, V>) {
    this.#owner = owner;
    this.#clone = options.clone;
    this.#cache = options.cache;
    this.#forgetAfter = options.forgetAfter ?? Infinity;
  }

  get stats(): FlightStats {
    return { ...this.#stats };
  }

  /** The calls that a newcomer would join. There is no timer: the clock is looked at here. */
  live(): Map<K, Call<K, V>> {
    if (this.#forgetAfter < Infinity) {
      for (const [key, { returned, startedAt }] of this.#calls) {
        // It is still in its synchronous part, and calls itself, or others.
        if (!returned) continue;
        if (performance.now() - startedAt < this.#forgetAfter) break;
        this.#calls.delete(key);
      }
    }
    return this.#calls;
  }

  forget(key: K): boolean {
    const dropped = this.live().delete(key);
    if (!this.#atOnce(this.#cache?.has(key))) return dropped;
    this.#cache!.delete(key);
    return true;
  }

  clear(): void {
    this.#calls.clear();
    this.#cache?.clear?.();
  }

  call(
    key: K,
    fn: FlightFunction<V>,
    options: FlightCallOptions | undefined,
    detailed: boolean,
  ): Promise<V | FlightResult<V>> {
    try {
      const signal = readSignal(this.#owner, options);
      if (signal?.aborted) throw signal.reason;
      if (typeof fn !== "function") check(this.#owner, "fn", fn, FUNCTION);
      if (this.#cache) {
        // `get` comes first: between the two a value may expire.
        const kept = this.#atOnce(this.#cache.get(key));
        if (kept !== undefined || this.#atOnce(this.#cache.has(key))) {
          this.#stats.hits++;
          const clone = this.#clone;
          const value = clone ? clone(kept as V) : kept as V;
          return Promise.resolve(detailed ? { value, shared: true } : value);
        }
        // The cache is anybody's code.
        if (signal?.aborted) throw signal.reason;
      }
      let call = this.live().get(key);
      if (call && !call.returned) {
        throw new Error(`${this.#owner}: the function for key ${show(key)} waits for itself`);
      }
      call ??= {
        key,
        context: new CallContext(),
        startedAt: this.#forgetAfter < Infinity ? performance.now() : 0,
        joined: 0,
        left: 0,
        callers: [],
        returned: undefined,
        outcome: undefined,
        given: undefined,
      };
      if (detailed || signal || this.#clone) return this.#alone(call, fn, signal, detailed);
      if (call.joined++) this.#stats.shared++;
      else this.#start(call, fn);
      return call.outcome ??= this.#follow(call) as Promise<V>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** For a caller who may leave, or has a value of its own. */
  #alone(
    call: Call<K, V>,
    fn: FlightFunction<V>,
    signal: AbortSignal | undefined,
    detailed: boolean,
  ): Promise<V | FlightResult<V>> {
    return new Promise((resolve, reject) => {
      const caller: Caller<V> = {
        given: undefined,
        settle(given) {
          offAbort(signal, leaver);
          caller.settle = undefined;
          if ("error" in given) reject(given.error);
          else resolve(detailed ? { ...given, shared: call.joined > 1 } : given.value);
        },
      };
      const leaver = {
        error: (error: unknown) => {
          // It may be too late: it only has to fetch what it is given.
          if (call.given) return;
          caller.settle!({ error });
          if (++call.left < call.joined) return;
          // The key is free before anybody hears of it: a newcomer must not join a flight that dies.
          this.#drop(call);
          CallContext.abort(call.context, error);
        },
      };
      onAbort(signal, leaver);
      call.callers.push(caller);
      if (call.joined++) this.#stats.shared++;
      else this.#start(call, fn);
      this.#follow(call, caller);
    });
  }

  /** Has the function begin. What it throws, and what it gives at once, lands the call at once. */
  #start(call: Call<K, V>, fn: FlightFunction<V>): void {
    this.#stats.executions++;
    this.#stats.running++;
    this.#calls.set(call.key, call);
    try {
      const returned = fn(call.context);
      if (isThenable(returned)) call.returned = Promise.resolve(returned);
      else this.#land(call, { value: returned });
    } catch (error) {
      this.#land(call, { error });
    }
  }

  /**
   * Settles a caller, or those who share the outcome, in a reaction of their own that is made in their
   * own call: a Cloudflare Worker never goes on with what another request has settled. There reactions
   * come in any order, and whichever is the first lands the call. Where the function has ended at once
   * there is nothing to wait for.
   */
  #follow(call: Call<K, V>, caller?: Caller<V>): Promise<V | void> {
    return whenSettled(
      call.returned!,
      (value) => this.#settle(call, caller, { value }),
      (error) => this.#settle(call, caller, { error }),
    );
  }

  #settle(call: Call<K, V>, caller: Caller<V> | undefined, came: Given<V>): V | void {
    if (!call.given) this.#land(call, came);
    if (caller) return caller.settle?.(caller.given!);
    const given = call.given!;
    if ("error" in given) throw given.error;
    return given.value;
  }

  /** Frees the key, keeps the value, and has each caller's ready. */
  #land(call: Call<K, V>, given: Given<V>): void {
    call.given = given;
    this.#stats.running--;
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
    for (const caller of call.callers) {
      if (!caller.settle) continue;
      caller.given = copy ? map(given, copy) : given;
      copy = this.#clone;
    }
  }

  /** Frees the key, unless it belongs to a newer one. Says whether it has. */
  #drop(call: Call<K, V>): boolean {
    return this.live().get(call.key) === call && this.#calls.delete(call.key);
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
