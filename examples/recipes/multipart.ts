/**
 * The need: a stream of bytes of unknown length goes to an object store in parts of a fixed size,
 * several at once, and in memory are no more than those.
 */

// In a project of yours: from "@weir/streams".
import { FixedChunkStream, MapStream } from "../../mod.ts";

/** A multipart upload that has been begun, as object stores have it. */
export interface MultipartUpload {
  /** Uploads a part, from number 1 on; resolves with its tag. */
  part(number: number, bytes: Uint8Array, signal: AbortSignal): Promise<string>;
  /** Puts the parts together, in the order of the tags. */
  complete(tags: readonly string[]): Promise<void>;
  /** Drops the parts. */
  cancel(): Promise<void>;
}

/** Uploads it all, or nothing: at the first failure the other parts and the source are cancelled. */
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
    await target.cancel().catch(() => {}); // the first error is the one to be told
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
