/**
 * {@linkcode FixedChunkStream}: cuts bytes into pieces of an exact size.
 *
 * It runs in Deno, Bun, Node, edge runtimes and browsers.
 *
 * @module
 */

import { titleOf } from "./core/shared/describe.ts";
import { check, LIMIT, NAME, readOptions, SIGNAL } from "./core/shared/options.ts";
import { FLATTEN, type Source } from "./core/shared/source.ts";
import { FixedChunkStage, type FixedChunkStats } from "./core/stage/fixed_chunk_stage.ts";
import { StageController, TransformBase } from "./core/stage/stage.ts";

export type { FixedChunkStats, Source };

const OPTIONS = { size: LIMIT, signal: SIGNAL, name: NAME };

/** Options of {@linkcode FixedChunkStream}. */
export interface FixedChunkStreamOptions {
  /** The size of each piece except the last, in bytes: an integer of at least 1. */
  size: number;
  /** Errors both sides with the signal's reason when the signal aborts. */
  signal?: AbortSignal | undefined;
  /** The name that messages and `console.log` show, such as `FixedChunkStream "mails"`. */
  name?: string | undefined;
}

/**
 * A transform stream that cuts bytes into pieces of exactly `size` bytes; the last piece may be
 * shorter.
 *
 * Use it for the parts of a multipart upload, the blocks of a cipher or the frames of a protocol.
 * To gather whole items up to a size, use {@linkcode ChunkStream}.
 *
 * - **Size**: every piece except the last is exact, for input chunks of any size. Empty chunks give
 *   nothing, and no piece is empty.
 * - **Memory**: the stream holds at most `size` bytes. It copies each byte once, and the bytes of a
 *   short last piece twice, so the cost is linear for any ratio of sizes.
 * - **Ownership**: every piece has its own fresh buffer. A producer may reuse its buffer as soon as
 *   its write has resolved.
 * - **Close** hands over the rest, and then closes. **Failure** errors both sides.
 *
 * @example The parts of an upload
 * ```ts
 * import { FixedChunkStream } from "@weir/streams/fixed-chunk-stream";
 * import { assertEquals } from "@std/assert";
 *
 * const sizes: number[] = [];
 * await new Blob(["a".repeat(2500)]).stream()
 *   .pipeThrough(new FixedChunkStream({ size: 1024 }))
 *   .pipeTo(new WritableStream({ write: (part) => void sizes.push(part.length) }));
 *
 * assertEquals(sizes, [1024, 1024, 452]);
 * ```
 */
export class FixedChunkStream
  extends TransformBase<ArrayBuffer | ArrayBufferView, Uint8Array<ArrayBuffer>> {
  readonly #controller: StageController<
    ArrayBuffer | ArrayBufferView,
    Uint8Array<ArrayBuffer>,
    FixedChunkStage
  >;

  /**
   * Makes a stream.
   *
   * @param options The size of the pieces; a number is `size`.
   * @throws {TypeError} If an option is of the wrong kind or unknown, or `size` is missing.
   * @throws {RangeError} If `size` is out of range.
   */
  constructor(options: number | FixedChunkStreamOptions) {
    const controller = open(options);
    super();
    super.readable.getReader(); // A transfer would move this side. The lock refuses that.
    this.#controller = controller.open(this);
  }

  /** The pieces. */
  override get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#controller.readable;
  }

  /** Takes buffers, and views of them. Anything else, or a detached one, is a `TypeError`. */
  override get writable(): WritableStream<ArrayBuffer | ArrayBufferView> {
    return this.#controller.writable;
  }

  /**
   * What has happened to the bytes so far: `accepted = waiting + done + discarded`.
   *
   * @example
   * ```ts
   * import { FixedChunkStream } from "@weir/streams/fixed-chunk-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const stream = new FixedChunkStream(1024);
   * const writer = stream.writable.getWriter();
   * await writer.write(new Uint8Array(100));
   * assertEquals(stream.stats, { accepted: 100, waiting: 100, done: 0, discarded: 0 });
   * await writer.abort();
   * assertEquals(stream.stats.discarded, 100);
   * ```
   */
  get stats(): FixedChunkStats {
    return this.#controller.stage.stats;
  }

  /**
   * Cuts a source of arrays, such as lists of packets, whose elements are the buffers or views. If
   * the source gives anything other than an array, the stream stops reading it and errors with a
   * `TypeError`. At an early end, the unused rest of an array counts as items that were read and
   * could not be used.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable` of arrays. Promises of
   * arrays in an `Iterable` are awaited; the elements of an array are taken as they are.
   * @param options The options of the constructor, and `flatten`.
   * @returns The pieces.
   * @throws {TypeError} If the source is not one of these, or is locked. Also as the constructor
   * does.
   * @throws {RangeError} As the constructor does.
   *
   * @example
   * ```ts
   * import { FixedChunkStream } from "@weir/streams/fixed-chunk-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const packets = [[new Uint8Array(3), new Uint8Array(2)], [new Uint8Array(4)]];
   * const sizes: number[] = [];
   * for await (const part of FixedChunkStream.from(packets, { size: 4, flatten: true })) {
   *   sizes.push(part.length);
   * }
   * assertEquals(sizes, [4, 4, 1]);
   * ```
   */
  static from(
    source: Source<readonly (ArrayBuffer | ArrayBufferView)[]>,
    options: FixedChunkStreamOptions & { flatten: true },
  ): ReadableStream<Uint8Array<ArrayBuffer>>;
  /**
   * Cuts a source that you already have. It reads the source in a plain loop, which costs less than
   * a pipe and follows the same rules.
   *
   * **Reading** begins with the first demand, and goes on until the stream holds one full piece.
   * **Cancelling** cancels the source, and waits for that unless a read is pending. If the source
   * fails, the stream hands over the pieces of the bytes that came before, and then errors with
   * that same error.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable` of buffers or views.
   * @param options The options of the constructor.
   * @returns The pieces.
   * @throws {TypeError} If the source is not one of these, or is locked. Also as the constructor
   * does.
   * @throws {RangeError} As the constructor does.
   *
   * @example
   * ```ts
   * import { FixedChunkStream } from "@weir/streams/fixed-chunk-stream";
   * import { assertEquals } from "@std/assert";
   *
   * const sizes: number[] = [];
   * const chunks = [new Uint8Array(1500), new Uint8Array(1000)];
   * for await (const part of FixedChunkStream.from(chunks, 1024)) sizes.push(part.length);
   * assertEquals(sizes, [1024, 1024, 452]);
   * ```
   */
  static from(
    source: Source<ArrayBuffer | ArrayBufferView>,
    options: number | FixedChunkStreamOptions & { flatten?: false | undefined },
  ): ReadableStream<Uint8Array<ArrayBuffer>>;
  static from(
    source:
      | Source<ArrayBuffer | ArrayBufferView>
      | Source<readonly (ArrayBuffer | ArrayBufferView)[]>,
    options: number | FixedChunkStreamOptions,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    return open(options, FLATTEN).from(source);
  }
}

function open(
  options: number | FixedChunkStreamOptions,
  more?: typeof FLATTEN,
): StageController<ArrayBuffer | ArrayBufferView, Uint8Array<ArrayBuffer>, FixedChunkStage> {
  const given = typeof options === "number" ? { size: options } : options;
  const values = readOptions<FixedChunkStreamOptions>("FixedChunkStream", given, {
    ...OPTIONS,
    ...more,
  });
  const owner = titleOf("FixedChunkStream", values.name);
  const size = check(owner, "size", values.size!, LIMIT);
  return new StageController(
    (controller) => new FixedChunkStage(controller, size),
    owner,
    values,
  );
}
