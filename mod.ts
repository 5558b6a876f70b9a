/**
 * Batching, bounded concurrent fan-out, chunking by size and single-flight, as web streams.
 *
 * - {@linkcode BatchStream}: batches of items, by count, weight and time, or made by a collector of
 *   your own.
 * - {@linkcode ChunkStream}: arrays of items, by bytes and time.
 * - {@linkcode FixedChunkStream}: bytes in pieces of an exact size.
 * - {@linkcode MapStream}: a function over a stream, several calls at once.
 * - {@linkcode ThrottleStream} and {@linkcode throttle}: at most one in an interval.
 * - {@linkcode Fanout}: N workers on a bounded queue.
 * - {@linkcode Aggregator}: batches and N workers in one.
 * - {@linkcode backoff}: when a sink tries again what has failed.
 * - {@linkcode RateLimit}: so many starts in an interval, for several of them together.
 * - {@linkcode Singleflight}: concurrent calls with one key share one execution.
 *
 * Runs in Deno, Bun, Node, edge runtimes and browsers, and depends on nothing.
 *
 * @example Rows in batches of a hundred, or after a second, to four writers
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
