/** Models what every transform stream must do, for any steps on its two sides in any order. */

import fc from "fast-check";
import type { Source } from "../../mod.ts";
import type { Clock } from "../support/clock.ts";
import { countListeners } from "../support/listeners.ts";
import { HandSource, type SourceKind } from "./hand_source.ts";
import { type Advance, often, Run, simply, type Step } from "./race.ts";

/** The front: a writer, or a source that `from` reads. */
export type Front = "writer" | SourceKind;

/** The steps of any transform. Without a writer, `abort` is a failure of the source. */
export type TransformStep<I> =
  | { readonly do: "write"; readonly items: readonly I[] }
  | { readonly do: "read" | "close" }
  /** Whether the consumer reads at the same time. */
  | { readonly do: "cancel" | "abort" | "signal"; readonly asks: boolean };

/** A known item. */
export interface Numbered {
  readonly id: number;
  /** The time when its write resolved, or the source gave it. */
  acceptedAt?: number;
}

const MOST_READS = 3;
const PATIENCE = 300;

/** Both sides of a stream. An item is made from an `I`. */
export abstract class TransformRun<I, T extends Numbered, C, P extends Step = never>
  extends Run<TransformStep<I> | P> {
  readonly #own = new AbortController();
  readonly #listeners = countListeners(this.#own.signal);
  protected readonly signal: AbortSignal = this.#own.signal;
  protected source: HandSource<T> | undefined;
  #writer: WritableStreamDefaultWriter<C> | undefined;
  #reader!: ReadableStreamDefaultReader<unknown>;

  /** The items that were written, or that the source gave. */
  protected readonly written: T[] = [];
  protected accepted = 0;
  /** Pending promises. */
  protected writes = 0;
  protected reads = 0;
  /** Whether a read is pending. */
  protected begun = false;
  /** Whether the producer has closed. */
  protected closed = false;
  protected closing: "no" | "pending" | "fulfilled" | "rejected" = "no";
  /** The reason of an early end. */
  protected over: { readonly reason: unknown } | undefined;
  /** If several reasons come in one turn, all sides get the same one. */
  readonly #reasons: unknown[] = [];
  #told: { readonly reason: unknown } | undefined;
  #endedBefore = false;
  /** The source has failed. The stream ends after all its items are handed over. */
  protected failing: { readonly reason: unknown } | undefined;
  /** Whether the consumer has got the end. */
  protected readableEnded = false;
  #made = 0;
  /** A write came during a close: Deno errors the writer with its own `TypeError`. */
  #stray = false;

  constructor(clock: Clock) {
    super(clock);
  }

  protected open(pair: { readable: ReadableStream<unknown>; writable: WritableStream<C> }): void {
    this.#writer = pair.writable.getWriter();
    this.#read(pair.readable);
    this.#writer.closed.catch((error) => {
      this.must(this.#stray || this.isReason(error), "the writer got another reason");
    });
    this.#writer.ready.catch(() => {});
  }

  protected openFrom(kind: SourceKind, from: (source: Source<T>) => ReadableStream<unknown>): void {
    this.source = new HandSource<T>(kind, {
      given: (item) => {
        this.written.push(item);
        this.#accept(item);
      },
      ended: (failure) => {
        if (failure) this.failing = { reason: failure.error };
      },
    });
    this.#read(from(this.source.source));
  }

  #read(readable: ReadableStream<unknown>): void {
    this.#reader = readable.getReader();
    this.#reader.closed.catch(() => {});
  }

  /** Makes an item, and the value to write for it. */
  protected abstract make(id: number, from: I): T;
  protected abstract chunk(item: T): C;
  /** Called with each chunk that the consumer gets. */
  protected abstract receive(value: unknown): void;
  /** Whether the consumer has got everything. */
  protected abstract drained(): boolean;
  /** Checks while the stream is open. */
  protected abstract checkOpen(): void;
  /** Checks at every quiet moment. */
  protected checkAlways(): void {}
  /** Checks after the end. */
  protected checkEnd(): void {}
  /** Called when a write has resolved. */
  protected taken(_item: T): void {}
  /** Brings the stream to its end. */
  protected help(): void {}
  /** Runs the steps of one kind of transform. */
  protected doOther(_step: P): void {}

  do(step: TransformStep<I> | P): void {
    switch (step.do) {
      case "write":
        for (const from of (step as { items: readonly I[] }).items) this.#write(from);
        break;
      case "read":
        if (this.reads < MOST_READS) this.#ask();
        break;
      case "close":
        this.#close();
        break;
      case "cancel":
        this.end("cancel");
        this.#reader.cancel("cancel").catch(() => {});
        break;
      case "abort":
        if (this.source) this.source.fail("abort");
        // After the writable has closed, there is nothing to abort.
        else if (this.closing !== "fulfilled") this.end("abort");
        this.#writer?.abort("abort").catch(() => {});
        break;
      case "signal":
        this.end("signal");
        this.#own.abort("signal");
        break;
      default:
        this.doOther(step as P);
    }
    if ("asks" in step && step.asks && this.reads < MOST_READS) this.#ask();
  }

  override can(step: TransformStep<I> | P | Advance): boolean {
    if (step.do === "read") return this.reads < MOST_READS;
    return step.do === "close" ? !this.closed : super.can(step);
  }

  override get ended(): boolean {
    return this.over !== undefined || this.readableEnded;
  }

  /** The first reason wins. */
  protected end(reason: unknown): void {
    if (this.readableEnded || this.#endedBefore) return;
    this.over ??= this.#failed ?? { reason };
    this.#reasons.push(reason);
  }

  /** Whether this is the reason of its end. */
  protected isReason(error: unknown): boolean {
    if (this.over?.reason !== error && !this.#reasons.includes(error)) return false;
    this.#told ??= { reason: error };
    return this.#told.reason === error;
  }

  get #failed(): { readonly reason: unknown } | undefined {
    return this.drained() ? this.failing : undefined;
  }

  #accept(item: T): void {
    item.acceptedAt = this.clock.now;
    this.accepted++;
    this.taken(item);
  }

  #write(from: I): void {
    if (this.source) {
      if (!this.closed && !this.over) this.source.feed(this.make(this.#made++, from));
      return;
    }
    const item = this.make(this.#made, from);
    if (this.closed || this.over) {
      this.#stray = true;
      // Node 22 throws an internal assertion during a close.
      const written = async () => await this.#writer!.write(this.chunk(item));
      written().then(() => this.must(false, "written after the end"), () => {});
      return;
    }
    const written = this.#writer!.write(this.chunk(item));
    this.#made++;
    this.written.push(item);
    this.writes++;
    written.then(() => {
      this.writes--;
      this.#accept(item);
    }, (error) => {
      this.writes--;
      this.must(this.isReason(error), "a write was rejected");
    });
  }

  #ask(): void {
    this.begun = true;
    this.reads++;
    this.#reader.read().then(({ done, value }) => {
      this.reads--;
      if (done) this.readableEnded = true;
      else this.receive(value);
    }, (error) => {
      this.reads--;
      this.over ??= this.#failed;
      this.readableEnded = true;
      this.must(this.isReason(error), "a read was rejected");
    });
  }

  #close(): void {
    if (this.source) this.source.end();
    else if (!this.over && !this.closed) {
      this.closing = "pending";
      const end = (how: "fulfilled" | "rejected") => () => void (this.closing = how);
      this.#writer!.close().then(end("fulfilled"), end("rejected"));
    }
    this.closed = true;
  }

  protected check(): void {
    this.over ??= this.#failed;
    this.#endedBefore = this.over !== undefined;
    this.checkAlways();
    if (this.over || this.readableEnded) {
      this.must(this.writes === 0, "a write still waits");
      this.must(this.closing !== "pending", "close still waits");
      this.must(this.#listeners.live === 0, "a listener is left");
      const { source } = this;
      if (source && this.begun && this.over) {
        this.must(source.ended || source.cancelled !== undefined, "the source is not cancelled");
      }
    } else {
      this.checkOpen();
    }
  }

  /** The source gets a pull exactly when there is room. */
  protected checkSource(room: boolean): void {
    const { source } = this;
    if (!source || source.ended) return;
    this.must(source.asked === (this.begun && room), source.asked ? "asked" : "not asked");
  }

  async finish(): Promise<void> {
    this.do({ do: "close" });
    for (let turns = 0; !this.readableEnded; turns++) {
      await this.quiet();
      this.must(turns < PATIENCE, "it never ends");
      this.help();
      while (this.reads < MOST_READS) this.do({ do: "read" });
    }
    await this.quiet();
    this.must(this.reads === 0 && this.writes === 0, "a promise has not settled");
    this.must(this.#listeners.live === 0, "a listener is left");
    this.checkEnd();
    await this.quiet();
  }
}

/** The steps of all transforms, with one or several items per write. */
export function transformSteps<I>(
  items: fc.Arbitrary<I>,
): { weight: number; arbitrary: fc.Arbitrary<TransformStep<I>> }[] {
  const several = fc.array(items, { minLength: 1, maxLength: 3, size: "max" });
  return [
    often(8, several.map((items) => ({ do: "write" as const, items }))),
    often(6, simply("read")),
    often(1, simply("close")),
    often(1, fc.record({ do: fc.constantFrom("cancel", "abort", "signal"), asks: fc.boolean() })),
  ];
}
