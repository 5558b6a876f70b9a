/** `FixedChunkStream`: exact pieces of the same bytes, and it holds at most one. */

import fc from "fast-check";
import { FixedChunkStream } from "../mod.ts";
import type { Clock } from "./support/clock.ts";
import { type Numbered, TransformRun, transformSteps } from "./races/transform_run.ts";
import { type Exploration, exploration, explored } from "./races/explore.ts";
import { advance, often, type Race, race, suite } from "./races/race.ts";
import { transformEvents } from "./races/transform_events.ts";

interface Item extends Numbered {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

class FixedChunkRun extends TransformRun<number, Item, Uint8Array<ArrayBuffer>> {
  readonly #size: number;
  readonly #stream: FixedChunkStream;
  /** Numbers of bytes: written, of resolved writes, and received. */
  #written = 0;
  #taken = 0;
  #received = 0;
  readonly #buffers = new Set<ArrayBuffer>();

  constructor(size: number, clock: Clock) {
    super(clock);
    this.#size = size;
    const stream = this.#stream = new FixedChunkStream({ size, signal: this.signal });
    this.open(stream as { readable: typeof stream.readable; writable: WritableStream });
  }

  protected make(id: number, length: number): Item {
    // A view of a part, so that offsets matter.
    const bytes = new Uint8Array(new ArrayBuffer(length + 2), 1, length);
    return { id, bytes };
  }

  protected chunk({ bytes }: Item): Uint8Array<ArrayBuffer> {
    if (!this.closed && !this.over) {
      for (let place = 0; place < bytes.length; place++) bytes[place] = this.#written++ % 251;
    }
    return bytes;
  }

  /** The producer may use its buffer again. */
  protected override taken({ bytes }: Item): void {
    this.#taken += bytes.length;
    new Uint8Array(bytes.buffer).fill(255);
  }

  protected receive(value: unknown): void {
    const piece = value as Uint8Array<ArrayBuffer>;
    const last = this.closed && this.#received + piece.length === this.#written;
    this.must(piece.length === this.#size || (last && piece.length > 0), "a wrong size");
    this.must(piece.buffer.byteLength === piece.length, "more than its own buffer");
    this.must(!this.#buffers.has(piece.buffer), "a buffer twice");
    this.#buffers.add(piece.buffer);
    this.must(piece.every((byte, at) => byte === (this.#received + at) % 251), "other bytes");
    this.#received += piece.length;
    // The consumer owns it now.
    piece.fill(254);
  }

  protected drained(): boolean {
    return this.#received === this.#written;
  }

  protected override checkAlways(): void {
    const { accepted, waiting, done, discarded } = this.#stream.stats;
    this.must(accepted === waiting + done + discarded, "not conserved");
    // A part of a waiting write has been copied.
    this.must(accepted >= this.#taken && accepted <= this.#written, "accepted");
    this.must(done === this.#received && waiting <= this.#size, "done");
    this.must(this.over !== undefined || discarded === 0, "discarded for no reason");
    this.must(!(this.over || this.readableEnded) || waiting === 0, "something is still held");
  }

  protected checkOpen(): void {
    const room = this.#received + this.#size;
    this.must(this.#taken <= room, "more than a piece is held");
    const next = this.written[this.accepted];
    this.must(!next || this.#taken + next.bytes.length > room, "a write waits for no reason");
    this.must(this.reads === 0 || this.#written < room, "a piece is late");
    if (this.closing !== "no") {
      this.must(this.closing === (this.writes === 0 ? "fulfilled" : "pending"), "close");
    }
  }

  protected override checkEnd(): void {
    if (!this.over) this.must(this.#received === this.#written, "lost");
  }
}

/** The races and explorations of `FixedChunkStream`. */
export const races: readonly Race[] = suite([race({
  name: "fixed-chunk-stream",
  promise:
    "FixedChunkStream keeps its promises in every schedule [3] [4.X1] [4.X2] [4.X3] [4.X5] [4.X7] [7.3] [7.5] [F-11]",
  setups: fc.integer({ min: 1, max: 7 }),
  steps: fc.oneof(...transformSteps(fc.nat(9)), often(1, advance(1))),
  start: (size, clock) => new FixedChunkRun(size, clock),
})]);

/** The races and explorations of `FixedChunkStream`. */
export const explorations: readonly Exploration[] = explored([exploration({
  name: "fixed-chunk-stream",
  races,
  setup: 2,
  events: transformEvents({ "1": 1, "2": 2, "3": 3, "5": 5 }),
  apart: /^close/,
})]);
