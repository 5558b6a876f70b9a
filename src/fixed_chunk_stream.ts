/**
 * {@linkcode FixedChunkStream}: bytes in pieces of an exact size.
 *
 * Runs in Deno, Bun, Node, edge runtimes and browsers.
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
  /** The size of each piece but the last, in bytes: an integer of at least 1. */
  size: number;
  /** Errors both sides with its reason when it aborts. */
  signal?: AbortSignal | undefined;
  /** What it is called in messages and by `console.log`, such as `FixedChunkStream "mails"`. */
  name?: string | undefined;
}

/**
 * A transform stream that cuts bytes into pieces of exactly `size` bytes; the last may be shorter.
 *
 * For the parts of a multipart upload, the blocks of a cipher, the frames of a protocol. To gather
 * whole items up to a size use {@linkcode ChunkStream}.
 *
 * - **Size**: exact, whatever comes in. Empty chunks give nothing, and there is no empty piece.
 * - **Memory**: at most `size` bytes are held, and each byte is copied once, those of a last short
 *   piece twice: the cost is linear, whatever the ratio of sizes.
 * - **Ownership**: every piece has a fresh buffer of its own; a producer may reuse its buffer as soon
 *   as its write has resolved.
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
    super.readable.getReader(); // A transfer would move that side: locked, it is refused.
    this.#controller = controller.open(this);
  }

  /** The pieces. */
  override get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#controller.readable;
  }

  /** Takes buffers, and views of them. Anything else, or one that is detached, is a `TypeError`. */
  override get writable(): WritableStream<ArrayBuffer | ArrayBufferView> {
    return this.#controller.writable;
  }

  /**
   * What has become of the bytes, at this moment: `accepted = waiting + done + discarded`.
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
   * Pieces of a source of arrays, such as pages of rows, whose elements are the items. What else the source
   * gives is a `TypeError`, by which it is left. At an early end the rest of a page that was read counts, and
   * is told, as an item that was read and could not be used.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable` of arrays. Promises of arrays in
   * an `Iterable` are awaited; what is in an array is taken as it is.
   * @param options Those of the constructor, and `flatten`.
   * @returns The pieces.
   * @throws {TypeError} If the source is none, is locked, or as the constructor does.
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
   * Pieces of a source that is at hand, read by a plain loop: cheaper than a pipe, with the same
   * rules.
   *
   * **Reading** begins with the first demand, and goes on until one piece is held. **Cancelling**
   * cancels the source, and waits for it unless a read is pending. A failure of the source errors the
   * stream with the very error, after the pieces of what came before it.
   *
   * @param source A `ReadableStream`, an `AsyncIterable` or an `Iterable` of buffers or views.
   * @param options Those of the constructor.
   * @returns The pieces.
   * @throws {TypeError} If the source is none, is locked, or as the constructor does.
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
