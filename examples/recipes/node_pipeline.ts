/**
 * The need: a compressed file of any size, line by line, into something that takes batches. The file
 * is read as fast as the batches are handled, and is closed at every end.
 */

import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
// In a project of yours: from "@weir/streams".
import { BatchStream, Fanout, type HandlerContext } from "../../mod.ts";

/** How {@linkcode eachBatch} goes about it. */
export interface EachBatchOptions {
  /** The most lines of a batch. */
  readonly maxItems?: number;
  /** The most batches that are handled at once: at least 1. With 0 it never ends. */
  readonly concurrency?: number;
  /** Ends all of it at once, with its reason. */
  readonly signal?: AbortSignal;
}

/**
 * Handles the lines of a gzip file in batches, and resolves with how many lines there were. Rejects
 * with the first error: of the file, of what is in it, or of a handler, which ends the others.
 */
export async function eachBatch(
  file: Readable,
  handle: (lines: string[], context: HandlerContext) => unknown,
  { maxItems = 1000, concurrency = 4, signal }: EachBatchOptions = {},
): Promise<number> {
  let count = 0;
  const batches = new Fanout(async (lines: string[], context) => {
    await handle(lines, context);
    count += lines.length;
  }, { concurrency, signal });
  try {
    await pipeline(
      file,
      createGunzip(),
      (bytes) => batches.consume(BatchStream.from(linesOf(bytes), maxItems)),
    );
    await batches.close();
  } catch (error) {
    await batches.abort(error);
  }
  // Rejects with what ended it first: `pipeline` of Node 22 and Deno may put an AbortError in its place.
  await batches.closed;
  return count;
}

/** The lines of a text in UTF-8, without their ends, which are `\n` or `\r\n`. */
export async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of bytes) {
    // Only the new text is searched: a long line would be searched again with each chunk.
    const [first = "", ...others] = decoder.decode(chunk, { stream: true }).split("\n");
    rest += first;
    for (const next of others) {
      yield rest.endsWith("\r") ? rest.slice(0, -1) : rest;
      rest = next;
    }
  }
  rest += decoder.decode();
  if (rest) yield rest;
}

if (import.meta.main) {
  const { Readable } = await import("node:stream");
  const { gzipSync } = await import("node:zlib");
  const text = Array.from({ length: 2500 }, (_, i) => `line ${i}\n`).join("");
  const file = Readable.from([gzipSync(text)]); // createReadStream(path), in a program of yours
  const lines = await eachBatch(file, (batch) => console.log(`${batch.length} lines`));
  console.log(`${lines} in all`);
}
