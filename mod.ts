/**
 * Web streams for batching, bounded concurrent work, chunking by size and single-flight.
 *
 * - {@linkcode BatchStream}: gathers items into batches, by count, weight and time, or by your own
 *   collector.
 * - {@linkcode ChunkStream}: gathers items into arrays, by bytes and time.
 * - {@linkcode FixedChunkStream}: cuts bytes into pieces of an exact size.
 * - {@linkcode MapStream}: calls a function for each item of a stream, several calls at once.
 * - {@linkcode ThrottleStream} and {@linkcode throttle}: pass at most one item or call in an
 *   interval.
 * - {@linkcode Fanout}: a bounded worker queue. It runs N handlers at once, and each item goes to
 *   one handler; it does not broadcast.
 * - {@linkcode Aggregator}: gathers items into batches and runs N handlers on them.
 * - {@linkcode backoff}: says when a sink tries a failed item again.
 * - {@linkcode RateLimit}: allows a number of starts in an interval, for one sink or several
 *   together.
 * - {@linkcode Singleflight}: lets concurrent calls with one key share one execution.
 *
 * It runs in Deno, Bun, Node, edge runtimes and browsers, and has no dependencies.
 *
 * @example Batches of a hundred rows go to four writers
 * ```ts
 * import { BatchStream, Fanout } from "@weir/streams";
 * import { assertEquals } from "@std/assert";
 *
 * let written = 0;
 * const write = (rows: number[]) => {
 *   written += rows.length;
 *   return Promise.resolve();
 * };
 *
 * const rows = BatchStream.from(Array.from({ length: 1050 }, (_, id) => id), 100);
 * await rows.pipeTo(new Fanout(write, { concurrency: 4 }));
 * assertEquals(written, 1050);
 * ```
 *
 * @module
 */

export * from "./src/aggregator.ts";
export * from "./src/backoff.ts";
export * from "./src/batch_stream.ts";
export * from "./src/chunk_stream.ts";
export * from "./src/fanout.ts";
export * from "./src/fixed_chunk_stream.ts";
export * from "./src/map_stream.ts";
export * from "./src/rate_limit.ts";
export * from "./src/singleflight.ts";
export * from "./src/throttle_stream.ts";
