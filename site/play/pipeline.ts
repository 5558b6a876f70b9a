/** The pipeline of the page: a source, a `BatchStream`, a `Fanout`. It notes where each item is. */

import { BatchStream, Fanout, RateLimit, type SinkContext } from "../../mod.ts";
import type { Settings } from "./settings.ts";
import { RatedSource } from "./source.ts";

/** How an item ends. */
type End = "done" | "failed" | "discarded";

/** An item. */
export interface Item {
  readonly id: number;
}

/** A batch from the moment that the `BatchStream` hands it out. */
export interface Batch {
  /** From 0. */
  readonly number: number;
  readonly items: readonly Item[];
  /** Since when its handler runs, and for how many milliseconds. */
  startedAt: number;
  time: number;
}

/** Items that have ended since the last look. `unaccepted` ones came too late for the sink. */
export interface Ended {
  readonly items: readonly Item[];
  readonly end: End | "unaccepted";
}

/** What a pipeline does as a whole. */
export type Phase = "running" | "paused" | "closing" | "closed" | "aborted";

/** A pipeline that runs. */
export class Pipeline {
  readonly source: RatedSource<Item>;
  readonly batching: BatchStream<Item>;
  readonly sink: Fanout<Item[]>;
  /** Emitted, and not handed out in a batch. */
  readonly offered: Item[] = [];
  /** Handed out, and not started. */
  readonly handed: Batch[] = [];
  /** By slots: each keeps its place while it runs. */
  readonly running: (Batch | undefined)[] = [];
  /** Items by their ends. */
  readonly ends: Record<Ended["end"], number> = { done: 0, failed: 0, discarded: 0, unaccepted: 0 };
  emitted = 0;
  #batchCount = 0;
  settings: Settings;
  /** When the first item of the batch that gathers came. */
  gatheringSince = 0;
  #ended: Ended[] = [];
  #phase: "running" | "closing" | "closed" | "aborted" = "running";
  #paused = false;
  #most: number;
  readonly #batches = new Map<readonly Item[], Batch>();
  readonly #stop = new AbortController();

  constructor(settings: Settings) {
    this.settings = settings;
    this.#most = settings.concurrency;
    const { rate, maxItems, linger, concurrency, capacity, rateLimit } = settings;
    this.source = new RatedSource(rate, () => this.#emit());
    this.batching = new BatchStream<Item>({
      maxItems,
      linger,
      onDiscard: (items) => this.#end(items, "discarded"),
    });
    this.sink = new Fanout((items: Item[], context) => this.#handle(items, context), {
      concurrency,
      capacity,
      ...(rateLimit > 0 && { rate: new RateLimit({ limit: rateLimit, interval: 1000 }) }),
      signal: this.#stop.signal,
      onError: (_error, items) => this.#end(items, "failed"),
      onDiscard: (batches) => batches.forEach((items) => this.#end(items, "discarded")),
    });
    const batches = this.source.readable.pipeThrough(this.batching);
    tap(batches, (items) => this.#hand(items)).pipeTo(this.sink).then(
      () => this.#phase = "closed",
      () => this.#over(),
    );
  }

  get phase(): Phase {
    const over = this.#phase === "closed" || this.#phase === "aborted";
    return this.#paused && !over ? "paused" : this.#phase;
  }

  /** Whether the source has ended, and the rest drains. */
  get closing(): boolean {
    return this.#phase === "closing";
  }

  /** The most handlers that may run now: those that run stay when you lower the concurrency. */
  get most(): number {
    const { running } = this.sink.stats;
    return this.#most = Math.max(this.sink.concurrency, Math.min(this.#most, running));
  }

  /** Takes the settings that can change while it runs. */
  change(settings: Settings): void {
    this.settings = settings;
    this.source.rate = settings.rate;
    if (!this.#paused) this.#widen(settings.concurrency);
  }

  pause(): void {
    this.#paused = true;
    this.#widen(0);
  }

  resume(): void {
    this.#paused = false;
    this.#widen(this.settings.concurrency);
  }

  /** Ends the source: the pipe closes the sink, which drains. */
  close(): void {
    if (this.#phase === "running") this.#phase = "closing";
    this.source.end();
  }

  abort(): void {
    if (this.#phase === "closed") return;
    this.#phase = "aborted";
    this.#stop.abort(new Error("You pressed Abort."));
  }

  /** What has ended since the last call. */
  takeEnded(): Ended[] {
    return this.#ended.splice(0);
  }

  #widen(concurrency: number): void {
    this.#most = Math.max(this.most, concurrency);
    this.sink.concurrency = concurrency;
  }

  #emit(): Item {
    const item = { id: ++this.emitted };
    if (this.offered.length === 0) this.gatheringSince = performance.now();
    this.offered.push(item);
    return item;
  }

  #hand(items: Item[]): void {
    this.offered.splice(0, items.length);
    this.gatheringSince = performance.now();
    const batch = { number: this.#batchCount++, items, startedAt: 0, time: 0 };
    this.#batches.set(items, batch);
    this.handed.push(batch);
  }

  async #handle(items: Item[], { signal }: SinkContext): Promise<void> {
    const batch = this.#batches.get(items)!;
    remove(this.handed, batch);
    batch.startedAt = performance.now();
    batch.time = this.settings.handlerTime * (0.5 + Math.random());
    const free = this.running.indexOf(undefined);
    this.running[free < 0 ? this.running.length : free] = batch;
    await sleep(batch.time, signal);
    if (Math.random() * 100 < this.settings.failureRate) throw new Error("a bad batch");
    this.#end(items, "done");
  }

  #end(items: readonly Item[], end: Ended["end"]): void {
    const batch = this.#batches.get(items);
    if (batch) {
      this.#batches.delete(items);
      remove(this.handed, batch);
      const slot = this.running.indexOf(batch);
      if (slot >= 0) this.running[slot] = undefined;
    } else items.forEach((item) => remove(this.offered, item));
    this.ends[end] += items.length;
    this.#ended.push({ items: [...items], end });
  }

  /** After an abort, an item may be on its way between two stages: no stage has accepted it. */
  async #over(): Promise<void> {
    this.#phase = "aborted";
    await new Promise((resolve) => setTimeout(resolve));
    if (this.offered.length > 0) this.#end([...this.offered], "unaccepted");
    for (const { items } of [...this.handed]) this.#end(items, "unaccepted");
  }
}

/** The same stream. It tells of each chunk, and asks for one only when it is asked. */
function tap<T>(readable: ReadableStream<T>, seen: (chunk: T) => void): ReadableStream<T> {
  const reader = readable.getReader();
  return new ReadableStream<T>({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) return controller.close();
      seen(value);
      controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** Waits, and rejects at once when the signal aborts. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

function remove<T>(list: T[], element: T): void {
  const place = list.indexOf(element);
  if (place >= 0) list.splice(place, 1);
}
