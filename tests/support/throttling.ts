/** Helpers for the tests of `ThrottleStream`. */

import { type ThrottleEdge, type ThrottleStats, ThrottleStream } from "../../mod.ts";

/** All edges. */
export const edges: readonly ThrottleEdge[] = ["leading", "trailing", "both"];

/** An open stream. */
export interface Ends {
  readonly stream: ThrottleStream<unknown>;
  readonly writer: WritableStreamDefaultWriter<unknown>;
  readonly reader: ReadableStreamDefaultReader<unknown>;
  readonly seen: unknown[];
  /** Reads everything. */
  drain(): Promise<void>;
  write(...items: unknown[]): Promise<void>;
}

/** A stream, its two ends, and its output. */
export function open(edge?: ThrottleEdge, interval = 100, signal?: AbortSignal): Ends {
  const stream = new ThrottleStream<unknown>({ interval, edge, signal });
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  for (const promise of [writer.closed, writer.ready, reader.closed]) promise.catch(() => {});
  const seen: unknown[] = [];
  return {
    ...{ stream, writer, reader, seen },
    async drain() {
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        seen.push(next.value);
      }
    },
    async write(...items: unknown[]) {
      for (const item of items) await writer.write(item);
    },
  };
}

/** The `stats` that aren't zero. */
export const counts = (some: Partial<ThrottleStats>): ThrottleStats => ({
  ...{ accepted: 0, waiting: 0, done: 0, dropped: 0, discarded: 0 },
  ...some,
});
