/** What every transform stream must do, whatever is done to its two sides, in whatever order. */

import fc from "fast-check";
import type { Source } from "../../mod.ts";
import type { Clock } from "../support/clock.ts";
import { countListeners } from "../support/listeners.ts";
import { HandSource, type SourceKind } from "./hand_source.ts";
import { type Advance, often, Run, simply, type Step } from "./race.ts";

/** Who gives the items: a writer, or a source that `from` reads. */
export type Front = "writer" | SourceKind;

/** What is done to any of them. `abort` is a failure of the source where there is no writer. */
export type TransformStep<I> =
  | { readonly do: "write"; readonly items: readonly I[] }
  | { readonly do: "read" | "close" }
  /** And the consumer asks just then, or not. */
  | { readonly do: "cancel" | "abort" | "signal"; readonly asks: boolean };

/** An item that is known. */
export interface Numbered {
  readonly id: number;
  /** When its write resolved, or the source gave it. */
  acceptedAt?: number;
}

const MOST_READS = 3;
const PATIENCE = 300;

/** Both sides of a stream. `I` is what an item is made from. */
export abstract class TransformRun<I, T extends Numbered, C, P extends Step = never>
  extends Run<TransformStep<I> | P> {
  readonly #own = new AbortController();
  readonly #listeners = countListeners(this.#own.signal);
  protected readonly signal: AbortSignal = this.#own.signal;
  protected source: HandSource<T> | undefined;
  #writer: WritableStreamDefaultWriter<C> | undefined;
  #reader!: ReadableStreamDefaultReader<unknown>;

  /** What was written, or given by the source. */
  protected readonly written: T[] = [];
  protected accepted = 0;
  /** Promises that have not settled. */
  protected writes = 0;
  protected reads = 0;
  /** The consumer has asked. */
  protected begun = false;
  /** The producer was told to close. */
  protected closed = false;
  protected closing: "no" | "pending" | "fulfilled" | "rejected" = "no";
  /** Ended early, and why. */
  protected over: { readonly reason: unknown } | undefined;
  /** Of several reasons in one turn everybody is told the same. */
  readonly #reasons: unknown[] = [];
  #told: { readonly reason: unknown } | undefined;
  #endedBefore = false;
  /** The source has failed: when all that it gave has been handed over, that is the end. */
  protected failing: { readonly reason: unknown } | undefined;
  /** The consumer was told that there is no more. */
  protected readableEnded = false;
  #made = 0;
  /** Something was written during a close: Deno errors the writer with a `TypeError` of its own. */
  #stray = false;

  constructor(clock: Clock) {
    super(clock);
  }

  protected open(pair: { readable: ReadableStream<unknown>; writable: WritableStream<C> }): void {
    this.#writer = pair.writable.getWriter();
    this.#read(pair.readable);
    this.#writer.closed.catch((error) => {
      this.must(this.#stray || this.isReason(error), "the writer is told another reason");
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

  /** Makes an item, and what is written for it. */
  protected abstract make(id: number, from: I): T;
  protected abstract chunk(item: T): C;
  /** The consumer has been given this. */
  protected abstract receive(value: unknown): void;
  /** Whether it has been given all that there is. */
  protected abstract drained(): boolean;
  /** What holds while the stream goes on. */
  protected abstract checkOpen(): void;
  /** What holds at every quiet moment. */
  protected checkAlways(): void {}
  /** What holds in the end. */
  protected checkEnd(): void {}
  /** A write has resolved. */
  protected taken(_item: T): void {}
  /** Whatever it takes for the stream to come to its end. */
  protected help(): void {}
  /** Steps of its own. */
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
        // Once the writable has closed there is nothing to abort.
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

  /** Whether this is why it has ended. */
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
      // Node 22 throws an assertion of its own while a close is under way.
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

  /** The source is asked exactly when there is room. */
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

/** The steps that all have, one of several things written at a time or a few. */
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
