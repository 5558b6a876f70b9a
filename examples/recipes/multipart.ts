/**
 * The need: you upload a stream of bytes to an object store, and don't know how long it is. The store wants
 * parts of a fixed size. You want to upload several parts at once, and hold no more than those in memory.
 *
 * The idea: a `FixedChunkStream` cuts the bytes into parts of exactly `size` bytes. `MapStream.from` uploads
 * several parts at once, and gives their tags in order. At the first failure it aborts the other uploads and
 * cancels the source.
 *
 * The limits:
 *
 * - Memory holds `concurrency` parts, and one that is being filled.
 * - A part is not tried again. Retry in `part`, and give its signal to `fetch`.
 * - The order of the parts is the order of the bytes. S3 wants parts of at least 5 MiB, except the last.
 *
 * Next: [node_pipeline.ts](node_pipeline.ts) reads a file line by line.
 */

// In your project: from "@weir/streams".
import { FixedChunkStream, MapStream } from "../../mod.ts";

/** A multipart upload that you have started. */
export interface MultipartUpload {
  /** Uploads a part, and resolves with its tag. The first number is 1. */
  part(number: number, bytes: Uint8Array, signal: AbortSignal): Promise<string>;
  /** Joins the parts, in the order of the tags. */
  complete(tags: readonly string[]): Promise<void>;
  /** Deletes the parts. */
  cancel(): Promise<void>;
}

/** Uploads all bytes or nothing. The first failure aborts the other parts and cancels the source. */
export async function upload(
  bytes: ReadableStream<Uint8Array>,
  target: MultipartUpload,
  { size = 8 * 1024 * 1024, concurrency = 4 }: { size?: number; concurrency?: number } = {},
): Promise<void> {
  let number = 0;
  const parts = bytes.pipeThrough(new FixedChunkStream({ size }));
  try {
    const tags: string[] = [];
    const uploaded = MapStream.from(
      parts,
      (part, { signal }) => target.part(++number, part, signal), // called in order
      { concurrency },
    );
    for await (const tag of uploaded) tags.push(tag); // in order too
    await target.complete(tags);
  } catch (error) {
    await target.cancel().catch(() => {}); // the first error is the one to report
    throw error;
  }
}

if (import.meta.main) {
  const bytes = new Blob(["a".repeat(2500)]).stream();
  await upload(bytes, {
    async part(number, bytes) {
      await new Promise((resolve) => setTimeout(resolve, 100 / number));
      console.log(`part ${number}: ${bytes.length} bytes`);
      return `tag ${number}`;
    },
    complete: (tags) => Promise.resolve(console.log("complete:", tags)),
    cancel: () => Promise.resolve(console.log("cancelled")),
  }, { size: 1000 });
}
