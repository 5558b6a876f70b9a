/**
 * The need: a cache does not hang or fill the memory while its Redis is away. By default both clients
 * queue commands until they have reconnected. With these options a command fails at once while there
 * is no connection, and the client goes on reconnecting.
 *
 * Copy the function of the client that you use: `redis` 6 or `ioredis` 6.
 */

import { Redis } from "ioredis";
import { createClient } from "redis";
import { RedisCache, type RedisCommands } from "./redis_cache.ts";

/** One connection, for a `RedisCache`. */
export interface RedisConnection extends RedisCommands {
  /** Ends it for good, once. Commands that have no reply within 100 ms are rejected. */
  close(): void;
}

/** How long a server may send nothing, in ms. After that the client makes a new connection. */
const STALLED = 5000;

/** How long a client waits before it tries to connect again, in ms. */
function pause(attempt: number): number {
  return Math.min(50 * 2 ** attempt, 2000);
}

/**
 * A connection of the client `redis`. `onError` is called when it is lost, and each time that the
 * client fails to connect.
 */
export function nodeRedis(url: string, onError: (error: unknown) => void): RedisConnection {
  const client = createClient({
    url,
    disableOfflineQueue: true,
    // The cache has a timer for each command, and clears it. Those of the client run for 5 s.
    commandOptions: { timeout: 0 },
    // How many commands may wait for a reply. Further ones fail.
    commandsQueueMaxLength: 10_000,
    // This client counts the time when nothing was asked, too. A PING has the server send something.
    pingInterval: STALLED / 2,
    // Its default strategy gives up for good after a `socketTimeout`.
    socket: { socketTimeout: STALLED, connectTimeout: STALLED, reconnectStrategy: pause },
  });
  client.on("error", onError);
  // Not awaited: a program can start while its Redis is away.
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
    // A command without a reply fails when the connection is lost, and is not sent again.
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
