/**
 * The need: several processes share one cache in Redis. A key that many callers ask for at once should be
 * looked up once and loaded once. No call may fail because Redis is down or doesn't answer.
 *
 * The idea: a `Singleflight` shares the look-up, the load and the write among the callers of a process. Each
 * command has a time limit. If Redis fails, the cache loads the value, and tells `onError`.
 *
 * The limits:
 *
 * - Several processes may load one key at once, each of them once. This is not a lock. For one load among all
 *   processes, see [distributed_singleflight.ts](../cluster/distributed_singleflight.ts).
 * - Another process that loads while you invalidate may write its old value after that.
 *
 * Next: [redis_clients.ts](redis_clients.ts) connects the clients `redis` and `ioredis` with the options that
 * they need here. [ttl_cache.ts](ttl_cache.ts) is a cache of one process.
 */

// In your project: from "@weir/streams".
import { type FlightCallOptions, type HandlerContext, Singleflight } from "../../mod.ts";

/** The commands of a client that the cache needs, on one connection. */
export interface RedisCommands {
  /** `GET key`. */
  get(key: string): PromiseLike<string | null | undefined>;
  /** `SET key text PX ttl`. */
  set(key: string, text: string, ttl: number): PromiseLike<unknown>;
  /** `DEL key`. */
  del(key: string): PromiseLike<unknown>;
}

/** Where an error came from. */
export interface RedisCacheStep {
  /** The key that was given to `get`. */
  readonly key: string;
  /** What failed: a command, or a function of the options. */
  readonly step: "get" | "decode" | "encode" | "set";
}

/** Options of a {@linkcode RedisCache}. */
export interface RedisCacheOptions<V> {
  /**
   * The name of the cache in messages, and the start of its keys in Redis: the key `7` of the cache
   * `users` is `users:7`. Change it when the values change their shape, such as to `users-v2`. Use no
   * `:` in it: the key `v2:7` of `users` and the key `7` of `users:v2` are the same.
   */
  name: string;
  /** How long Redis keeps a value, in milliseconds: an integer of at least 1. */
  ttl: number;
  /**
   * How long the cache waits for the reply to a command, in milliseconds: more than 0 and at most
   * 2147483647. Choose more than a slow reply takes, and less than a load.
   *
   * @default {100}
   */
  timeout?: number | undefined;
  /**
   * Makes the text that Redis keeps from a value.
   *
   * @default {JSON.stringify}
   */
  encode?: ((value: V) => string) | undefined;
  /**
   * Makes a value from that text. Check the text here: if this throws, the cache loads the value.
   *
   * @default {JSON.parse}
   */
  decode?: ((text: string) => V) | undefined;
  /**
   * Gets each error that fails no call, for your log and your alarms. If it throws, the callers reject
   * with that error. The cache doesn't await it, so an async one must handle its own errors.
   */
  onError: (error: unknown, where: RedisCacheStep) => void;
}

/**
 * Looks a value up in Redis, and loads and writes it if Redis has none.
 *
 * - **Sharing**: concurrent calls for one key share one GET, at most one load, and at most one SET.
 * - **Several processes** may load one key at once, each of them once. This is not a lock.
 * - **Failure**: an error of Redis fails no call. It goes to `onError`. If the GET fails, the cache
 *   loads the value and doesn't write it. An error of `load` rejects the callers unchanged, and the
 *   cache writes nothing.
 * - **Time**: a call waits at most `timeout` for the GET. If the GET succeeds and there is a load, it
 *   waits at most `timeout` for the SET. A later reply changes nothing. If your process is busy
 *   for longer than `timeout`, replies look late although they have arrived: with the default, a
 *   process on one core that asks for 10,000 keys at once loads them all. Then choose a longer
 *   `timeout`, or ask for fewer keys at once.
 * - **Corrupt values**: if `decode` throws, the cache tells `onError`, loads the value, and replaces
 *   the text. A key of another type, such as a list, stays as it is, because its GET fails.
 * - **Nothing there**: the cache keeps `null`, and never `undefined`. Return `null` from `load` to keep
 *   "there is no value" for the `ttl`. Return `undefined` to load again at the next call.
 * - **Copies**: callers that share a load get the same object. Callers that share a look-up get the
 *   object that `decode` made. Do not change it.
 * - **Invalidation**: {@linkcode RedisCache.invalidate}.
 * - **Leaving**: a caller's signal rejects that caller alone. When the last caller has left, the signal
 *   of `load` aborts; a load that has not begun does not begin.
 *
 * Don't give a Redis client to a `Singleflight` as option `cache`. That option needs an answer at once, and
 * a client answers with a promise, so it is a `TypeError`. Here the look-up runs inside the function that
 * the callers share.
 *
 * A `load` may call `get` for another key. Calls that lead back to its own key wait for themselves.
 *
 * @example With `redis`
 * ```ts ignore
 * const client = createClient({ url, disableOfflineQueue: true });
 * const users = new RedisCache<User>({
 *   get: (key) => client.get(key),
 *   set: (key, text, ttl) => client.set(key, text, { expiration: { type: "PX", value: ttl } }),
 *   del: (key) => client.del(key),
 * }, (id, { signal }) => fetchUser(id, signal), { name: "users", ttl: 60_000, onError: log });
 *
 * await users.get("7");
 * ```
 *
 * @example With `ioredis`
 * ```ts ignore
 * const client = new Redis(url, { enableOfflineQueue: false, maxRetriesPerRequest: 0 });
 * const users = new RedisCache<User>({
 *   get: (key) => client.get(key),
 *   set: (key, text, ttl) => client.set(key, text, "PX", ttl),
 *   del: (key) => client.del(key),
 * }, (id, { signal }) => fetchUser(id, signal), { name: "users", ttl: 60_000, onError: log });
 * ```
 */
export class RedisCache<V> {
  readonly #redis: RedisCommands;
  readonly #load: (key: string, context: HandlerContext) => V | PromiseLike<V>;
  readonly #name: string;
  readonly #title: string;
  readonly #ttl: number;
  readonly #timeout: number;
  readonly #encode: (value: V) => string;
  readonly #decode: (text: string) => V;
  readonly #onError: RedisCacheOptions<V>["onError"];
  readonly #flights: Singleflight<string, V>;
  /** For each key the execution that may write: the latest one, unless the key was invalidated since. */
  readonly #writers = new Map<string, HandlerContext>();

  /**
   * @param redis The commands of a client. They must reach the server in the order of the calls, so
   * use one connection, and not a pool.
   * @param load Gets the value from its source.
   * @throws {TypeError} If an option is of the wrong kind.
   * @throws {RangeError} If `ttl` or `timeout` is out of range.
   */
  constructor(
    redis: RedisCommands,
    load: (key: string, context: HandlerContext) => V | PromiseLike<V>,
    options: RedisCacheOptions<V>,
  ) {
    const { name, ttl, timeout = 100, onError } = options;
    const { encode = JSON.stringify, decode = JSON.parse } = options;
    check("name", name, "string", "a string");
    check("ttl", ttl, "number", "an integer of at least 1", Number.isSafeInteger(ttl) && ttl >= 1);
    const inRange = timeout > 0 && timeout <= 2147483647;
    check("timeout", timeout, "number", "more than 0 and at most 2147483647", inRange);
    for (const [option, value] of Object.entries({ encode, decode, onError })) {
      check(option, value, "function", "a function");
    }
    this.#redis = redis;
    this.#load = load;
    this.#name = name;
    this.#title = `RedisCache "${name}"`;
    this.#ttl = ttl;
    this.#timeout = timeout;
    this.#encode = encode;
    this.#decode = decode;
    this.#onError = onError;
    this.#flights = new Singleflight({ name });
  }

  /**
   * Returns the value that Redis has, or else the value that `load` gives.
   *
   * @param options A signal for this caller alone.
   * @returns Rejects with the error of `load`, with the reason of the signal, or with an error that
   * `onError` throws. It never rejects with an error of Redis.
   */
  get(key: string, options?: FlightCallOptions): Promise<V> {
    return this.#flights.do(key, (context) => this.#find(key, context), options);
  }

  /**
   * Deletes the value of a key. Call it after the source has changed.
   *
   * A later `get` starts a new look-up, behind the DEL. A load of this process that began before is not
   * written, and its callers still get its value. A load of *another* process that began before may
   * write its old value after the DEL, and Redis keeps that for its `ttl`.
   *
   * @returns Rejects if the DEL fails, or has no reply within `timeout`. Redis may then keep the old
   * value for its `ttl`. Only you know whether that matters, so the error doesn't go to `onError`.
   */
  async invalidate(key: string): Promise<void> {
    this.#writers.delete(key);
    this.#flights.forget(key);
    // It is sent before this method returns, because the GET of the next caller must come after it.
    await this.#answer("DEL", key, (full) => this.#redis.del(full));
  }

  async #find(key: string, context: HandlerContext): Promise<V> {
    this.#writers.set(key, context);
    try {
      const found = await this.#read(key);
      if (typeof found === "object") return found.value;
      if (context.signal.aborted) throw context.signal.reason;
      const value = await this.#load(key, context);
      if (found === "none" && this.#writers.get(key) === context) await this.#write(key, value);
      return value;
    } finally {
      if (this.#writers.get(key) === context) this.#writers.delete(key);
    }
  }

  async #read(key: string): Promise<{ readonly value: V } | "none" | "failed"> {
    let text: string | null | undefined;
    try {
      text = await this.#answer("GET", key, (full) => this.#redis.get(full));
    } catch (error) {
      this.#onError(error, { key, step: "get" });
      return "failed";
    }
    if (text === null || text === undefined) return "none";
    try {
      return { value: this.#decode(text) };
    } catch (error) {
      this.#onError(error, { key, step: "decode" });
      return "none";
    }
  }

  async #write(key: string, value: V): Promise<void> {
    if (value === undefined) return;
    let step: RedisCacheStep["step"] = "encode";
    try {
      const text: unknown = this.#encode(value);
      // `JSON.stringify` returns `undefined` for a function, and `ioredis` would write "".
      if (typeof text !== "string") {
        throw new TypeError(`${this.#title}: encode must return a string; got ${typeof text}`);
      }
      step = "set";
      await this.#answer("SET", key, (full) => this.#redis.set(full, text, this.#ttl));
    } catch (error) {
      this.#onError(error, { key, step });
    }
  }

  /** Returns the reply to a command. Rejects if it doesn't come in time. */
  async #answer<R>(
    command: string,
    key: string,
    send: (full: string) => PromiseLike<R>,
  ): Promise<R> {
    const full = `${this.#name}:${key}`;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const message = `${this.#title}: no reply to ${command} ${full} within ${this.#timeout} ms`;
        reject(new DOMException(message, "TimeoutError"));
      }, this.#timeout);
    });
    try {
      return await Promise.race([send(full), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Throws if an option has the wrong type, or breaks its rule. */
function check(option: string, value: unknown, kind: string, rule: string, keeps = true): void {
  const given: string = typeof value;
  if (given === kind && keeps) return;
  const Wrong = given === kind ? RangeError : TypeError;
  throw new Wrong(`RedisCache: option "${option}" must be ${rule}; got ${String(value)}`);
}

if (import.meta.main) {
  const texts = new Map<string, string>();
  let up = true;
  const reply = <R>(value: R) =>
    up ? Promise.resolve(value) : Promise.reject(new Error("it is down"));
  const prices = new RedisCache<number>(
    {
      get: (key) => reply(texts.get(key)),
      set: (key, text) => reply(texts.set(key, text)),
      del: (key) => reply(texts.delete(key)),
    },
    (fruit) => {
      console.log(`loading the price of ${fruit}`);
      return fruit.length;
    },
    {
      name: "prices",
      ttl: 60_000,
      onError: (error, { step }) => console.log(`${step}: ${(error as Error).message}`),
    },
  );
  const ask = async (...fruits: string[]) =>
    console.log(await Promise.all(fruits.map((fruit) => prices.get(fruit))));
  await ask("apple", "apple", "apple");
  await ask("apple");
  up = false;
  await ask("apple");
}
