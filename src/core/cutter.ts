import { show } from "./options.ts";
import { Passage } from "./passage.ts";

/** Holds on to no buffer of a producer. */
const NOTHING = new Uint8Array(0);

/** Cuts bytes into pieces of one size. Each byte is copied once, and one piece is held at the most. */
export class Cutter extends Passage<ArrayBuffer | ArrayBufferView, Uint8Array<ArrayBuffer>> {
  readonly #size: number;
  /** Made when there is a byte to put into it. */
  #piece: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;
  /** What is left of the chunk that is being written: it belongs to the producer, who waits. */
  #rest = NOTHING;

  constructor(size: number) {
    super();
    this.#size = size;
  }

  protected override get full(): boolean {
    return this.#filled === this.#size;
  }

  protected override take(chunk: ArrayBuffer | ArrayBufferView): boolean {
    const bytes = bytesOf(chunk);
    this.#rest = bytes.length > 0 ? bytes : NOTHING;
    this.#cut();
    return this.#rest === NOTHING;
  }

  /** By then all of it has been copied. */
  protected override put(): void {}

  protected override advance(): void {
    this.#cut();
    if (this.#rest === NOTHING) this.admit();
    if (this.closing && this.#filled > 0 && this.demand) this.#handOver();
    if (this.closing && this.#filled === 0) this.finish();
  }

  protected override release(): void {
    this.#piece = undefined;
    this.#rest = NOTHING;
  }

  /** Copies and hands over for as long as there is something to copy, and room. */
  #cut(): void {
    for (;;) {
      if (this.full) {
        if (!this.demand) return;
        this.#handOver();
      }
      if (this.#rest === NOTHING) return;
      // It may have been detached, or cut short, since its write began to wait.
      if (this.#rest.length === 0) throw detached();
      this.#piece ??= new Uint8Array(this.#size);
      const part = this.#rest.subarray(0, this.#size - this.#filled);
      this.#piece.set(part, this.#filled);
      this.#filled += part.length;
      this.#rest = part.length < this.#rest.length ? this.#rest.subarray(part.length) : NOTHING;
    }
  }

  #handOver(): void {
    // The last one may be shorter, and its buffer with it.
    const piece = this.full ? this.#piece! : this.#piece!.slice(0, this.#filled);
    this.#piece = undefined;
    this.#filled = 0;
    this.emit(piece);
  }
}

/** A view of the very bytes, whatever they come as. */
function bytesOf(chunk: unknown): Uint8Array<ArrayBuffer> {
  const view = ArrayBuffer.isView(chunk) ? chunk : undefined;
  const buffer = view ? view.buffer : chunk;
  if (!isBuffer(buffer)) {
    const rule = "a chunk must be an ArrayBuffer or a view of one";
    throw new TypeError(`FixedChunkStream: ${rule}; got ${show(chunk)}`);
  }
  try {
    // Throws where the buffer is detached; so does a DataView that is asked for its offset.
    return new Uint8Array(buffer, view?.byteOffset ?? 0, (view ?? buffer).byteLength);
  } catch {
    throw detached();
  }
}

function detached(): TypeError {
  return new TypeError("FixedChunkStream: a chunk must not be detached");
}

/** By its tag and not by its class: buffers of another realm, and shared ones, are buffers too. */
function isBuffer(value: unknown): value is ArrayBuffer {
  const tag = Object.prototype.toString.call(value);
  return tag === "[object ArrayBuffer]" || tag === "[object SharedArrayBuffer]";
}
