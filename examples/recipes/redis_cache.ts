/**
 * The need: several processes share one cache in Redis. A key that many ask for at once is looked up
 * once and loaded once, and a Redis that is down or does not answer fails no call.
 *
 * For a cache in this process alone, see `ttl_cache.ts`. `redis_clients.ts` connects the clients
 * `redis` and `ioredis`, with the options that they need here.
 */

// In a project of yours: from "@weir/streams".
import { type FlightCallOptions, type HandlerContext, Singleflight } from "../../mod.ts";

/** What is asked of a client: three commands, on one connection. */
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
  /** The key, as it was given to `get`. */
  readonly key: string;
  /** What failed: a command, or a function of the options. */
  readonly step: "get" | "decode" | "encode" | "set";
}

/** Options of a {@linkcode RedisCache}. */
export interface RedisCacheOptions<V> {
  /**
   * What its keys begin with, and what it is called in messages: the key `7` of the cache `users` is
   * `users:7` in Redis. Change it when the values change their shape: `users:v2`.
   */
  name: string;
  /** How long Redis keeps a value, in milliseconds: an integer of at least 1. */
  ttl: number;
  /**
   * How long a command may take, in milliseconds: more than 0 and at most 2147483647. After that its
   * reply is not used any more.
   *
   * @default {100}
   */
  timeout?: number | undefined;
  /**
   * Makes the text that Redis keeps.
   *
   * @default {JSON.stringify}
   */
  encode?: ((value: V) => string) | undefined;
  /**
   * Makes a value of that text. To check it here is a good idea: a text for which this throws is
   * loaded anew.
   *
   * @default {JSON.parse}
   */
  decode?: ((text: string) => V) | undefined;
  /** Is told every error that fails no call. What it throws rejects the callers. */
  onError: (error: unknown, where: RedisCacheStep) => void;
}

/**
 * Values that Redis keeps for a while, and that are loaded where it has none.
 *
 * - **Sharing**: all who ask for a key at the same time share one GET, at most one load, and one SET.
 * - **Several processes** may load one key at once, each of them once. This is no lock.
 * - **Failure**: an error of Redis fails no call, and goes to `onError`. After a GET that has failed
 *   the value is loaded, and not written. An error of `load` rejects the callers untouched, and
 *   nothing is written.
 * - **Time**: a call waits at most `timeout` for a GET and, after its load, `timeout` for a SET; where
 *   the GET failed there is no SET. A late reply is dropped.
 * - **Corrupt values**: if `decode` throws, `onError` is told, and the value is loaded and written
 *   over. A key that holds another type, such as a list, is left as it is: its GET fails.
 * - **Nothing there**: `undefined` is never kept, so each call loads again. Return `null` from `load`
 *   to have "there is none" kept for the `ttl`.
 * - **Copies**: those who share a load have the value itself, and others what `decode` made of the
 *   text. Change neither.
 * - **Invalidation**: see {@linkcode RedisCache.invalidate}.
 * - **Leaving**: a caller's signal rejects that caller alone. When the last has left, the signal that
 *   `load` has aborts, or the load does not start.
 *
 * A client is no option `cache` of a `Singleflight`: that asks its cache at once, and a client answers
 * with a promise. It is a `TypeError`. Here the look-up is a part of the function that is shared.
 *
 * A `load` must not ask for its own key: it would wait for itself.
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
  /** The one flight of a key that may write: the latest, unless its key was invalidated since. */
  readonly #writers = new Map<string, HandlerContext>();

  /**
   * @param redis The commands of a client. They must reach the server in the order in which they are
   * given, so give it one connection, and not a pool.
   * @param load Gets the value from where it comes from.
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
   * The value for a key: the one that Redis has, or else the one that `load` gives.
   *
   * @param options A signal for this caller alone.
   * @returns Rejects with the error of `load`, with the reason of the signal, or with what `onError`
   * throws; never with an error of Redis.
   */
  get(key: string, options?: FlightCallOptions): Promise<V> {
    return this.#flights.do(key, (context) => this.#find(key, context), options);
  }

  /**
   * Drops the value of a key. Call it when the source has changed.
   *
   * Who asks from here on has a look-up of its own, after the DEL. A load of this process that began
   * before is not written any more; those who wait for it still get it. A load of *another* process
   * that began before may be written after the DEL: that value lasts for its `ttl`.
   *
   * @returns Rejects if the DEL fails or is not answered within `timeout`: Redis may keep the old
   * value for its `ttl`. This is the one method that Redis can fail, because only you know whether to
   * call it again.
   */
  async invalidate(key: string): Promise<void> {
    this.#writers.delete(key);
    this.#flights.forget(key);
    // In this very turn: the GET of the next caller must come after it.
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
      // `JSON.stringify` gives `undefined` for a function, and a client would write "".
      if (typeof text !== "string") {
        throw new TypeError(`${this.#title}: encode must return a string; got ${typeof text}`);
      }
      step = "set";
      await this.#answer("SET", key, (full) => this.#redis.set(full, text, this.#ttl));
    } catch (error) {
      this.#onError(error, { key, step });
    }
  }

  /** The reply to a command, if it comes in time. */
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

/** Throws unless an option is of its kind, and keeps its rule. */
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
