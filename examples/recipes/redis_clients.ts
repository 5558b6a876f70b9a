/**
 * The need: your cache must not hang or fill the memory while Redis is away. By default both Redis clients
 * queue commands until they have connected again.
 *
 * The idea: with the options below, a command fails at once while there is no connection, and the client goes
 * on trying to connect. A server that accepts commands and sends nothing counts as away after 5 seconds.
 *
 * The limits: tested with `redis` 6 and `ioredis` 6. Copy the function for your client.
 *
 * Next: [redis_cache.ts](redis_cache.ts) uses such a connection.
 */

import { Redis } from "ioredis";
import { createClient } from "redis";
import { RedisCache, type RedisCommands } from "./redis_cache.ts";

/** One connection, for a `RedisCache`. */
export interface RedisConnection extends RedisCommands {
  /** Ends it for good. Call it once. Commands without a reply within 100 milliseconds reject. */
  close(): void;
}

/** How long a server may send nothing, in milliseconds. After that the client connects again. */
const STALLED = 5000;

/** How long a client waits before it connects again, in milliseconds. */
function pause(attempt: number): number {
  return Math.min(50 * 2 ** attempt, 2000);
}

/**
 * Connects the client `redis`. `onError` gets an error when the connection is lost, and each time that
 * the client fails to connect.
 */
export function nodeRedis(url: string, onError: (error: unknown) => void): RedisConnection {
  const client = createClient({
    url,
    disableOfflineQueue: true,
    // The cache has a timer for each command. The timers of the client would run for 5 seconds.
    commandOptions: { timeout: 0 },
    // How many commands may wait for a reply. More than that fail.
    commandsQueueMaxLength: 10_000,
    // This client also counts the time without commands. The PING makes the server send something.
    pingInterval: STALLED / 2,
    // The default strategy gives up for good after a `socketTimeout`.
    socket: { socketTimeout: STALLED, connectTimeout: STALLED, reconnectStrategy: pause },
  });
  client.on("error", onError);
  // It isn't awaited, so that your program can start while Redis is away.
  client.connect().catch(onError);
  return {
    get: (key) => client.get(key),
    set: (key, text, ttl) => client.set(key, text, { expiration: { type: "PX", value: ttl } }),
    del: (key) => client.del(key),
    close: () => client.destroy(),
  };
}

/** Connects the client `ioredis`, in the same way. */
export function ioredis(url: string, onError: (error: unknown) => void): RedisConnection {
  const client = new Redis(url, {
    enableOfflineQueue: false,
    // A command without a reply fails when the connection is lost. The client doesn't send it again.
    maxRetriesPerRequest: 0,
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
