/**
 * The need: you have a compressed file of any size, and want to handle its lines in batches, such as the rows
 * of an insert. The file should be read as fast as you handle the batches, and be closed at every end.
 *
 * The idea: `pipeline` of Node connects the file, `createGunzip` and a function. The function gives the bytes
 * to `BatchStream.from`, and the batches to a `Fanout`. `pipeline` waits while the sink is full, and destroys
 * the file if anything fails.
 *
 * The limits:
 *
 * - A line that never ends is held in memory as a whole.
 * - Batches are handled beside each other, so they don't end in order. Use `concurrency: 1` if order matters.
 * - Use `pipeline`, and not `.pipe()`. [Node streams](../../docs/node-streams.md) says why.
 *
 * Next: [the main demo](../ingest/main.ts) does this with a database, bad records and Ctrl-C.
 */

import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
// In your project: from "@weir/streams".
import { BatchStream, Fanout, type HandlerContext } from "../../mod.ts";

/** Options of `eachBatch`. */
export interface EachBatchOptions {
  /** The most lines in a batch. By default 1000. */
  readonly maxItems?: number;
  /** The most batches at once: at least 1. With 0 it never ends. By default 4. */
  readonly concurrency?: number;
  /** Ends everything at once with its reason. */
  readonly signal?: AbortSignal;
}

/**
 * Handles the lines of a gzip file in batches, and resolves with the number of lines. Rejects with the first
 * error of the file, of its content, or of a handler. That error also ends the other handlers.
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
  // Rejects with the first error. `pipeline` of Node 22 and Deno may give an `AbortError` instead.
  await batches.closed;
  return count;
}

/** The lines of a UTF-8 text, without the `\n` or `\r\n` at their ends. */
export async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of bytes) {
    // Searches only the new text. Otherwise each chunk would search a long line again.
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
  const file = Readable.from([gzipSync(text)]); // in your program: createReadStream(path)
  const lines = await eachBatch(file, (batch) => console.log(`${batch.length} lines`));
  console.log(`${lines} lines in all`);
}
