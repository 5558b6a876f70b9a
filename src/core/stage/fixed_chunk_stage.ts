import { show } from "../shared/options.ts";
import type { Stage, StageController } from "./stage.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * What `stats` of a `FixedChunkStream` shows. Every accepted byte is in exactly one of the other
 * three.
 */
export interface FixedChunkStats {
  /** Bytes that were written and copied. */
  readonly accepted: number;
  /** Bytes in the open piece, which is not handed over yet. */
  readonly waiting: number;
  /** Bytes handed to the consumer. */
  readonly done: number;
  /** Bytes that a cancel, an abort or an error has discarded. */
  readonly discarded: number;
}

/** Cuts bytes into pieces of one size. It copies each byte once, and holds at most one piece. */
export class FixedChunkStage implements Stage<ArrayBuffer | ArrayBufferView> {
  readonly #controller: StageController<ArrayBuffer | ArrayBufferView, Bytes>;
  readonly #size: number;
  /** Made when there is a byte to put into it. */
  #piece: Bytes | undefined;
  #filled = 0;
  /** The rest of the chunk that is being written. It belongs to the producer, which waits. */
  #rest: Bytes | undefined;
  #done = 0;
  #discarded = 0;

  constructor(
    controller: StageController<ArrayBuffer | ArrayBufferView, Bytes>,
    size: number,
  ) {
    this.#controller = controller;
    this.#size = size;
  }

  get stats(): FixedChunkStats {
    const [waiting, done, discarded] = [this.#filled, this.#done, this.#discarded];
    return { accepted: waiting + done + discarded, waiting, done, discarded };
  }

  get full(): boolean {
    return this.#filled === this.#size;
  }

  write(chunk: ArrayBuffer | ArrayBufferView, again: boolean): boolean {
    // All of the chunk has been copied.
    if (again) return true;
    const bytes = bytesOf(this.#controller.owner, chunk);
    if (bytes.length > 0) this.#rest = bytes;
    this.#cut();
    return this.#rest === undefined;
  }

  pull(): void {
    const controller = this.#controller;
    this.#cut();
    if (!this.#rest) controller.ready();
    if (!controller.closeRequested) return;
    if (this.#filled > 0 && controller.pullRequested) this.#handOver();
    if (this.#filled === 0) controller.finish();
  }

  close(): boolean {
    return true;
  }

  abort(): void {
    this.#discarded += this.#filled;
    this.#filled = 0;
    this.#piece = this.#rest = undefined;
  }

  /** Copies and hands over, as long as there are bytes to copy and there is room. */
  #cut(): void {
    for (;;) {
      if (this.full) {
        if (!this.#controller.pullRequested) return;
        this.#handOver();
      }
      const rest = this.#rest;
      if (!rest) return;
      // The chunk may have been detached, or cut short, since its write began to wait.
      if (rest.length === 0) throw noBytes(this.#controller.owner, rest);
      this.#piece ??= new Uint8Array(this.#size);
      const part = rest.subarray(0, this.#size - this.#filled);
      this.#piece.set(part, this.#filled);
      this.#filled += part.length;
      this.#rest = part.length < rest.length ? rest.subarray(part.length) : undefined;
    }
  }

  #handOver(): void {
    // The last piece may be shorter, and then its buffer is shorter too.
    const piece = this.full ? this.#piece! : this.#piece!.slice(0, this.#filled);
    this.#piece = undefined;
    this.#done += this.#filled;
    this.#filled = 0;
    this.#controller.enqueue(piece);
  }
}

/** A view of the same bytes, for every kind of chunk. */
function bytesOf(owner: string, chunk: ArrayBuffer | ArrayBufferView): Bytes {
  try {
    // By shape and not by class: a buffer may be shared, or of another realm. This throws if the
    // chunk is not a buffer, or is detached.
    const { buffer, byteOffset, byteLength } = ArrayBuffer.isView(chunk)
      ? chunk
      : new DataView(chunk);
    return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
  } catch {
    throw noBytes(owner, chunk);
  }
}

function noBytes(owner: string, chunk: unknown): TypeError {
  return new TypeError(
    `${owner}: a chunk must be an ArrayBuffer or a view of one, and not detached; ` +
      `got ${show(chunk)}`,
  );
}
