import { show } from "../shared/options.ts";

/**
 * The length of an item in bytes, as `ChunkStream` counts it. It knows strings, whose UTF-8 bytes
 * it counts without encoding them, `ArrayBuffer`s, views and `Blob`s.
 *
 * @param item The item to measure.
 * @returns The number of bytes.
 * @throws {TypeError} If the item is of another kind.
 *
 * @example An aggregator whose batches have at most 64 KiB
 * ```ts
 * import { Aggregator, byteLength } from "@weir/streams";
 * import { assertEquals } from "@std/assert";
 *
 * const sizes: number[] = [];
 * await using lines = new Aggregator((batch: string[]) => void sizes.push(batch.length), {
 *   maxWeight: 65536,
 *   weigh: byteLength,
 * });
 * await lines.consume(Array.from({ length: 100 }, () => "ü".repeat(512)));
 * assertEquals(sizes, [64, 36]);
 * ```
 */
export function byteLength(item: unknown): number {
  return measure("byteLength", item);
}

/** Measures an item as `byteLength` does, and names `owner` in the error. */
export function measure(owner: string, item: unknown): number {
  if (typeof item === "string") return utf8Length(item);
  if (typeof item === "object" && item !== null) {
    // By shape and not by class, because buffers of another realm are buffers too.
    const { byteLength, size } = item as { byteLength?: unknown; size?: unknown };
    if (typeof byteLength === "number") return byteLength;
    if (typeof size === "number" && isBlob(item)) return size;
  }
  const rule = 'only strings, buffers, views and blobs have a length in bytes; pass "byteLength"';
  throw new TypeError(`${owner}: ${rule}; got ${show(item)}`);
}

function isBlob(item: object): boolean {
  return typeof (item as { arrayBuffer?: unknown }).arrayBuffer === "function";
}

/** Counts without encoding. A lone surrogate counts as U+FFFD, which has three bytes. */
function utf8Length(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const code = text.codePointAt(index)!;
    if (code > 0x7f) bytes++;
    if (code > 0x7ff) bytes++;
    // This code point has two units, and four bytes.
    if (code > 0xffff) index++;
  }
  return bytes;
}
