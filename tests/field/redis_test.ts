/** Tests the recipe `redis_cache.ts` with both clients, and a real server that dies meanwhile. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Redis } from "ioredis";
import { createClient } from "redis";
import {
  RedisCache,
  type RedisCacheOptions,
  type RedisCacheStep,
  type RedisCommands,
} from "../../examples/recipes/redis_cache.ts";
import { ioredis, nodeRedis, type RedisConnection } from "../../examples/recipes/redis_clients.ts";
import { Singleflight } from "../../mod.ts";
import { gate, settled, turn } from "../support/gate.ts";
import { test } from "../support/test.ts";
import { RedisServer } from "./redis_server.ts";

/** Longer than a test may take: with this timeout, the client ends a wait. */
const LONG = 10 * 60_000;

type Connect = typeof nodeRedis;
const clients = { redis: nodeRedis, ioredis } satisfies Record<string, Connect>;

/** A server, a client, and a cache of users, whose loads the test counts. */
class Setup implements AsyncDisposable {
  readonly server: RedisServer;
  readonly redis: RedisConnection;
  /** The keys of all loads. */
  readonly loads: string[] = [];
  readonly told: Array<RedisCacheStep & { readonly error: Error }> = [];
  readonly cache: RedisCache<string>;
  /** A load waits for this. */
  open: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(
    server: RedisServer,
    connect: Connect,
    options: Partial<RedisCacheOptions<string>> = {},
  ) {
    this.server = server;
    this.redis = connect(server.url, () => {});
    this.cache = this.over(this.redis, options);
  }

  static async start(
    connect: Connect,
    options?: Partial<RedisCacheOptions<string>>,
  ): Promise<Setup> {
    const setup = new Setup(await RedisServer.start(), connect, options);
    await setup.connected();
    return setup;
  }

  /** A cache of another process, in effect. */
  over(redis: RedisCommands, options: Partial<RedisCacheOptions<string>> = {}): RedisCache<string> {
    const load = async (key: string) => {
      this.loads.push(key);
      const number = this.loads.length;
      await this.open;
      return `user ${key}, load ${number}`;
    };
    return new RedisCache<string>(redis, load, {
      name: "users",
      ttl: 60_000,
      timeout: LONG,
      onError: (error, { step, key }) => void this.told.push({ step, key, error: error as Error }),
      ...options,
    });
  }

  async connected(): Promise<void> {
    await until(() => this.redis.get("nothing").then(() => true, () => false));
  }

  close(): void {
    if (!this.#closed) this.redis.close();
    this.#closed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.server[Symbol.asyncDispose]();
    // The sockets close.
    for (let turns = 0; turns < 5; turns++) await turn();
  }
}

/** Asks until a condition holds. The test's own limit ends it. */
async function until(so: () => boolean | PromiseLike<boolean>): Promise<void> {
  while (!await so()) await turn();
}

function keys(count: number): string[] {
  return Array.from({ length: count }, (_, key) => `${key}`);
}

for (const [name, connect] of Object.entries(clients)) {
  const title = `recipe redis cache with ${name}`;

  test(`${title}: a thousand callers at once cost one GET, one load, and one SET`, async () => {
    await using setup = await Setup.start(connect);
    const { server, cache, loads } = setup;
    const before = await server.counts();
    const values = await Promise.all(keys(1000).map(() => cache.get("7")));
    assertEquals(new Set(values), new Set(["user 7, load 1"]));
    const after = await server.counts();
    assertEquals([after.get - before.get, after.set - before.set], [1, 1]);
    assertEquals(loads, ["7"]);
  });

  test(`${title}: other processes get a value that one has loaded`, async () => {
    await using setup = await Setup.start(connect);
    const { server, cache, loads, told } = setup;
    for (let times = 0; times < 50; times++) assertEquals(await cache.get("7"), "user 7, load 1");
    const redis = connect(server.url, () => {});
    try {
      await until(() => redis.get("nothing").then(() => true, () => false));
      assertEquals(await setup.over(redis).get("7"), "user 7, load 1");
    } finally {
      redis.close();
    }
    assertEquals([loads, told], [["7"], []]);
  });

  test(`${title}: a value expires when its ttl is over`, async () => {
    await using setup = await Setup.start(connect, { ttl: 60 });
    const { server, cache, loads } = setup;
    await cache.get("7");
    const left = Number(await server.ask("PTTL", "users:7"));
    // The key may have expired by now, which gives -2.
    assert(left <= 60 && left !== -1, `${left} ms are left`);
    await until(async () => await server.ask("PTTL", "users:7") === -2);
    assertEquals(await cache.get("7"), "user 7, load 2");
    assertEquals(loads, ["7", "7"]);
  });

  test(`${title}: every call gets its value even if the server is killed`, async () => {
    await using setup = await Setup.start(connect);
    const { server, cache, loads, told } = setup;
    await Promise.all(keys(10).map((key) => cache.get(key)));
    // The commands are sent, but there is no reply.
    server.stall();
    const calls = keys(200).flatMap((key) => [cache.get(key), cache.get(key)]);
    await turn();
    await server.kill();
    const values = await Promise.all(calls);
    assertEquals(values.length, 400);
    assert(values.every((value, i) => value.startsWith(`user ${i >> 1}, `)));
    assertEquals(loads.length, 10 + 200);
    assertEquals(
      told.map(({ step, key }) => `${step} ${key}`),
      keys(200).map((key) => `get ${key}`),
    );

    // While it is away, a command fails at once.
    assertEquals(await settled(setup.redis.get("nothing")), "rejected");
    assertEquals(await cache.get("7"), "user 7, load 211");
    assertEquals(told.length, 201);
    await assertRejects(() => cache.invalidate("7"));

    // It is back, without data.
    await server.start();
    await setup.connected();
    assertEquals(await cache.get("7"), "user 7, load 212");
    assertEquals(await cache.get("7"), "user 7, load 212");
    assertEquals([loads.length, told.length], [212, 201]);
  });

  test(`${title}: a server that is missing at the start is used later`, async () => {
    await using setup = new Setup(await RedisServer.reserve(), connect);
    const { server, cache, loads, told } = setup;
    assertEquals(await cache.get("7"), "user 7, load 1");
    assertEquals(told.map(({ step }) => step), ["get"]);
    await server.start();
    await setup.connected();
    assertEquals(await cache.get("7"), "user 7, load 2");
    assertEquals(await cache.get("7"), "user 7, load 2");
    assertEquals(loads.length, 2);
  });

  test(`${title}: a server that stalls costs the timeout, and late replies do no harm`, async () => {
    await using setup = await Setup.start(connect, { timeout: 50 });
    const { server, cache, told } = setup;
    await server.ask("SET", "users:7", '"old"');
    const before = await server.counts();
    server.stall();
    const values = await Promise.all(keys(20).flatMap((key) => [cache.get(key), cache.get(key)]));
    assertEquals(new Set(values).size, 20);
    assertEquals(told.map(({ step, error }) => `${step} ${error.name}`), [
      ...Array<string>(20).fill("get TimeoutError"),
    ]);
    await assertRejects(() => cache.invalidate("0"), DOMException, "no reply to DEL users:0");
    server.resume();
    await setup.connected();
    // Nothing was written, and the old value is read again.
    assertEquals((await server.counts()).set, before.set);
    assertEquals(await setup.over(setup.redis).get("7"), "old");
  });

  test(`${title}: a server that stalls during the load costs the timeout of the SET`, async () => {
    const open = gate();
    await using setup = await Setup.start(connect, { timeout: 50 });
    const { server, cache, loads, told } = setup;
    setup.open = open.promise;
    const calls = [cache.get("7"), cache.get("7")];
    await until(() => loads.length > 0);
    server.stall();
    open.resolve();
    assertEquals(await Promise.all(calls), ["user 7, load 1", "user 7, load 1"]);
    assertEquals(told.map(({ step, error }) => `${step} ${error.name}`), ["set TimeoutError"]);
  });

  test(`${title}: a corrupt value is reported, loaded again, and replaced`, async () => {
    await using setup = await Setup.start(connect);
    const { server, cache, told } = setup;
    await server.ask("SET", "users:7", "{");
    assertEquals(await cache.get("7"), "user 7, load 1");
    assertEquals(told.map(({ step, error }) => `${step} ${error.name}`), ["decode SyntaxError"]);
    assertEquals(await server.ask("GET", "users:7"), '"user 7, load 1"');
    assertEquals(await cache.get("7"), "user 7, load 1");
  });

  test(`${title}: a key of another type is reported, and left alone`, async () => {
    await using setup = await Setup.start(connect);
    const { server, cache, told } = setup;
    await server.ask("RPUSH", "users:7", "other");
    assertEquals(await cache.get("7"), "user 7, load 1");
    assertEquals(told.map(({ step }) => step), ["get"]);
    assert(told[0]!.error.message.startsWith("WRONGTYPE"), told[0]!.error.message);
    assertEquals(await server.ask("TYPE", "users:7"), "list");
  });

  test(`${title}: a refused SET fails no call, and is reported`, async () => {
    await using setup = await Setup.start(connect);
    const { server, cache, told } = setup;
    await server.ask("CONFIG", "SET", "maxmemory", "1");
    assertEquals(await cache.get("7"), "user 7, load 1");
    assertEquals(told.map(({ step }) => step), ["set"]);
    assert(told[0]!.error.message.startsWith("OOM"), told[0]!.error.message);
    await server.ask("CONFIG", "SET", "maxmemory", "0");
    assertEquals(await cache.get("7"), "user 7, load 2");
    assertEquals(await cache.get("7"), "user 7, load 2");
  });

  test(`${title}: after an invalidation an old load does not replace the new value`, async () => {
    const open = gate();
    await using setup = await Setup.start(connect);
    const { server, cache, loads } = setup;
    setup.open = open.promise;
    const before = cache.get("7");
    await until(() => loads.length > 0);
    const invalidated = cache.invalidate("7");
    setup.open = Promise.resolve();
    assertEquals(await cache.get("7"), "user 7, load 2");
    await invalidated;
    open.resolve();
    assertEquals(await before, "user 7, load 1");
    assertEquals(await server.ask("GET", "users:7"), '"user 7, load 2"');
    await cache.invalidate("7");
    assertEquals(await server.ask("EXISTS", "users:7"), 0);
  });

  test(`${title}: a command without a reply rejects when the connection closes, and fails no call`, async () => {
    await using setup = await Setup.start(connect);
    const { server, cache, told } = setup;
    server.stall();
    const call = cache.get("7");
    await turn();
    setup.close();
    assertEquals(await call, "user 7, load 1");
    assertEquals(told.map(({ step }) => step), ["get"]);
  });
}

test("recipe redis cache with redis by default: its queue holds up no call longer than the timeout", async () => {
  await using server = await RedisServer.start();
  const client = createClient({ url: server.url, commandOptions: { timeout: 0 } });
  client.on("error", () => {});
  await client.connect();
  try {
    await assertBounded(server, {
      get: (key) => client.get(key),
      set: (key, text, ttl) => client.set(key, text, { PX: ttl }),
      del: (key) => client.del(key),
    });
    assertNoCache(client);
  } finally {
    await client.close();
  }
});

test("recipe redis cache with ioredis by default: its queue holds up no call longer than the timeout", async () => {
  await using server = await RedisServer.start();
  const client = new Redis(server.url);
  client.on("error", () => {});
  try {
    await assertBounded(server, {
      get: (key) => client.get(key),
      set: (key, text, ttl) => client.set(key, text, "PX", ttl),
      del: (key) => client.del(key),
    });
    assertNoCache(client);
  } finally {
    await client.quit();
  }
});

/** A call ends while the server is away, although the client queues commands. */
async function assertBounded(server: RedisServer, redis: RedisCommands): Promise<void> {
  await redis.get("connected");
  await server.kill();
  const errors: unknown[] = [];
  const cache = new RedisCache(redis, () => 1, {
    name: "numbers",
    ttl: 1000,
    timeout: 20,
    onError: (error) => void errors.push(error),
  });
  assertEquals(await cache.get("one"), 1);
  assertEquals(errors.map((error) => (error as Error).name), ["TimeoutError"]);
  await server.start();
  await redis.get("connected");
}

/** A client can't be the `cache` of a `Singleflight`. */
function assertNoCache(client: unknown): void {
  const error = assertThrows(() => new Singleflight({ cache: client as never }), TypeError);
  assertEquals(
    error.message,
    'Singleflight: option "cache" must be a Map, or have its four methods; got an object',
  );
}
