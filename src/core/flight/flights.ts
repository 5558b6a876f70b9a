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

/** The outcome of a function, or of copying its value. An error may be `undefined`. */
type Given<V> = { readonly value: V } | { readonly error: unknown };

/** Applies `fn` to a value, and passes an error on. */
function map<V>(given: Given<V>, fn: (value: V) => V): Given<V> {
  if ("error" in given) return given;
  try {
    return { value: fn(given.value) };
  } catch (error) {
    return { error };
  }
}

/** One execution. If only plain calls of `do` used it, the next execution reuses the object. */
class Call<K, V> {
  key: K;
  context: CallContext | undefined;
  /** By `performance.now()`. Only used with `forgetAfter`. */
  startedAt: number | undefined;
  /** The callers with their own promise, and how many of them have left. */
  callers: Caller<V>[] | undefined;
  left = 0;
  /** The promise of the function; `undefined` while the function is in its synchronous part. */
  returned: Promise<V> | undefined;
  /** The shared promise of all callers that don't need their own. */
  outcome: Promise<V> | undefined;
  /** The outcome. Once it is set, no caller can leave. */
  given: Given<V> | undefined;
  /** The two reactions that settle `outcome`. */
  readonly fulfilled: (value: V) => V;
  readonly rejected: (error: unknown) => V;

  constructor(flights: Flights<K, V>, key: K) {
    this.key = key;
    this.fulfilled = (value) => flights.fulfil(this, value);
    this.rejected = (error) => flights.settle(this, { error });
  }
}

/** A caller with its own promise. */
interface Caller<V> {
  /** The outcome that the caller's own reaction finds. */
  given: Given<V> | undefined;
  /**
   * Makes the caller leave. After that, `error` is `undefined`, and the entry of the caller stays
   * until the execution has settled.
   */
  error: ((reason: unknown) => void) | undefined;
}

// No value is of this kind, so the check always fails. It only ever gets promises.
const AT_ONCE: Rule = ["", "answer at once, not with a promise: look it up inside the function"];

/** The outcome after a stack overflow. The caller has got the error. */
const OVER = { value: undefined as never };

/** The executions that run, and the callers that wait for them. */
export class Flights<K, V> {
  readonly #owner: string;
  readonly #clone: ((value: V) => V) | undefined;
  readonly #cache: FlightCache<K, V> | undefined;
  readonly #forgetAfter: number;
  /**
   * One execution, if there is neither a cache nor `forgetAfter`. While it is the only one, the
   * `Map` is not needed.
   */
  private first: Call<K, V> | undefined;
  /** The other executions, the oldest first. */
  readonly #calls = new Map<K, Call<K, V>>();
  /** Whether an execution that is over is still in the `Map`, because the stack has overflowed. */
  #broken = false;
  /** An execution that is over, for reuse. */
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

  /**
   * The executions in the `Map` that a new caller would join. There is no timer, so this looks at
   * the clock.
   */
  #live(): Map<K, Call<K, V>> {
    const calls = this.#calls;
    if (this.#broken) {
      for (const [key, { given }] of calls) given && calls.delete(key);
      this.#broken = false;
    }
    if (this.#forgetAfter < Infinity) {
      for (const [key, { returned, startedAt }] of calls) {
        // The function is still in its synchronous part, and calls its own key or another one.
        if (!returned) continue;
        if (performance.now() - startedAt! < this.#forgetAfter) break;
        calls.delete(key);
      }
    }
    return calls;
  }

  /** The execution that a new caller would join. */
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

  /**
   * A plain `do` that joins an execution takes a short way here. Every other call goes through
   * `call`.
   */
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
        // `get` comes first, because a value may expire between the two.
        const kept = this.#atOnce(this.#cache.get(key));
        if (kept !== undefined || this.#atOnce(this.#cache.has(key))) {
          this.#hits++;
          const clone = this.#clone;
          const value = clone ? clone(kept as V) : kept as V;
          return Promise.resolve(detailed ? { value, shared: true } : value);
        }
        // The cache is user code, and may have aborted the signal.
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
      // The stack has overflowed. Any call or allocation here may throw again, so the key is freed
      // later.
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
   * Makes a promise for a caller that may leave, or that gets its own value. The caller's own
   * reaction, made in its own call, settles that promise, because a Cloudflare Worker never
   * continues after a promise that another request has settled. There the reactions come in any
   * order, and the first one calls `#land`. If the function has returned a value or thrown at once,
   * `#join` has called `#land` already.
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
        // It may be too late to leave, because the outcome is there.
        if (call.given) return;
        reject?.(reason);
        offAbort(signal, caller as Abortable);
        signal =
          resolve =
          reject =
          caller.error =
            undefined;
        if (call.outcome || ++call.left < call.callers!.length) return;
        // The key is free before other code hears of the abort: a new caller must not join an
        // execution that is being cancelled.
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

  /**
   * Joins the execution, or starts its function. If the function throws or returns a value at once,
   * the execution lands at once.
   */
  #join(call: Call<K, V>, fn: FlightFunction<V>): void {
    if (call.context) {
      this.shared++;
      return;
    }
    this.#executions++;
    call.context = new CallContext();
    this.#running++;
    if (this.#forgetAfter < Infinity) call.startedAt = performance.now();
    // `===` would never find the key NaN.
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

  /** Settles the shared outcome with a value, in a short way if there are no other callers. */
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

  /** Settles the shared outcome. */
  settle(call: Call<K, V>, came: Given<V>): V {
    if (!call.given) this.#land(call, came);
    const given = call.given!;
    if ("error" in given) throw given.error;
    return given.value;
  }

  /** Frees the key, puts the value into the cache, and prepares the outcome of each caller. */
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
    // Without a cache, the first caller gets the value itself.
    let copy = cache && this.#clone;
    // This makes all copies before the first promise settles, so that a caller's change to its
    // value reaches no other copy.
    for (const caller of call.callers ?? []) {
      if (!caller.error) continue;
      caller.given = copy ? map(given, copy) : given;
      copy = this.#clone;
    }
  }

  /** Frees the key, unless a newer execution has it. Returns whether it has freed the key. */
  #drop(call: Call<K, V> | undefined): boolean {
    const current = call !== undefined && this.find(call.key) === call;
    if (current && !this.#calls.delete(call.key)) this.first = undefined;
    return current;
  }

  /** Checks an answer of the cache. A promise would be mistaken for a cached value. */
  #atOnce<T>(answer: T): T {
    if (isThenable(answer)) {
      markHandled(Promise.resolve(answer));
      check(this.#owner, "cache", answer, AT_ONCE);
    }
    return answer;
  }
}
