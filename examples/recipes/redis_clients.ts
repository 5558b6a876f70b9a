/**
 * The need: a cache must not hang, nor fill the memory, while its Redis is away. By default both
 * clients queue commands until they have reconnected, for as long as that takes. These connections
 * for `redis_cache.ts` fail each command at once instead, and go on reconnecting.
 *
 * Take the function of the client that you have: `redis` 6 or `ioredis` 6.
 */

import { Redis } from "ioredis";
import { createClient } from "redis";
import { RedisCache, type RedisCommands } from "./redis_cache.ts";

/** A connection of its own. */
export interface RedisConnection extends RedisCommands {
  /** Ends it for good. Commands that have no reply within 100 ms are rejected. */
  close(): void;
}

/** After so long without a reply, in ms, the connection is ended and made anew. */
const STALLED = 5000;

/** The pause before a connection is tried again, in ms. */
function pause(attempt: number): number {
  return Math.min(50 * 2 ** attempt, 2000);
}

/**
 * A connection of the client `redis`. `onError` is told when it is lost, and each time that it cannot
 * be made.
 */
export function nodeRedis(url: string, onError: (error: unknown) => void): RedisConnection {
  const client = createClient({
    url,
    disableOfflineQueue: true,
    // The cache has a timer of its own for each command; this one would go on for five seconds.
    commandOptions: { timeout: 0 },
    // The number of commands that may wait for a reply: the others fail.
    commandsQueueMaxLength: 10_000,
    // This client counts quiet time too, and a PING ends that.
    pingInterval: STALLED / 2,
    // With its own strategy it gives up for good when a connection has stalled.
    socket: { socketTimeout: STALLED, connectTimeout: STALLED, reconnectStrategy: pause },
  });
  client.on("error", onError);
  // Nobody waits for it: a program can start without its cache.
  client.connect().catch(onError);
  return {
    get: (key) => client.get(key),
    set: (key, text, ttl) => client.set(key, text, { expiration: { type: "PX", value: ttl } }),
    del: (key) => client.del(key),
    close: () => client.destroy(),
  };
}

/** The same of the client `ioredis`. */
export function ioredis(url: string, onError: (error: unknown) => void): RedisConnection {
  const client = new Redis(url, {
    enableOfflineQueue: false,
    // What has no reply when the connection is lost fails, and is not sent again.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    socketTimeout: STALLED,
    connectTimeout: STALLED,
    disconnectTimeout: 100,
    retryStrategy: pause,
  });
  client.on("error", onError);
  return {
    get: (key) => client.get(key),
    set: (key, text, ttl) => client.set(key, text, "PX", ttl),
    del: (key) => client.del(key),
    close: () => client.disconnect(),
  };
}

if (import.meta.main) {
  const told = (error: unknown) => console.log(String(error));
  const redis = nodeRedis("redis://127.0.0.1:6379", told);
  const times = new RedisCache(redis, () => new Date().toISOString(), {
    name: "times",
    ttl: 10_000,
    onError: told,
  });
  for (let second = 0; second < 5; second++) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    console.log(await times.get("now"));
  }
  redis.close();
}
