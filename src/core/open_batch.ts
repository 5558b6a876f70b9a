import { Batcher, type Collector, type Linger } from "./batcher.ts";
import type { Lane } from "./lanes.ts";
import type { Linked } from "./fifo.ts";
import type { IntakeJob } from "./intake_job.ts";
import type { Epoch } from "./ledger.ts";
import { show } from "./options.ts";
import type { Runner } from "./pool.ts";
import type { Deferred } from "./promises.ts";

/** A result that somebody waits for, at the place of its item in the batch. */
type Results = (Deferred<unknown> | undefined)[];

/** How batches are gathered. */
export interface Gathering<T, B> {
  owner: string;
  collector: () => Collector<T, B>;
  /** Whether a batch is the array of its items. */
  plain: boolean;
  /** Whether it takes code of the user's to know if an item fits. */
  asking: boolean;
  /** Whether the items are kept beside it, because somebody is to be told which were discarded. */
  keeping: boolean;
}

/** A batch that gathers, and what came with its items. */
export class OpenBatch<T, B> extends Batcher<T, B> {
  readonly key: unknown;
  /** Its collector is being asked for the batch. Belongs to the intake. */
  taking = false;
  readonly #gather: Gathering<T, B>;
  readonly #keeping: boolean;
  /** Both of the item that opened it. */
  #run: Runner | undefined;
  #epoch!: Epoch;
  /** For those that were submitted. */
  #results: Results | undefined;
  /** Where they cannot be had from the batch. */
  #items: T[] | undefined;

  constructor(
    gather: Gathering<T, B>,
    key: unknown,
    linger: Linger,
    onDue: () => void,
  ) {
    super(gather.collector(), linger, onDue);
    this.key = key;
    this.#gather = gather;
    this.#keeping = gather.keeping;
  }

  /** Its first item has been added. */
  begin(run: Runner | undefined, epoch: Epoch): void {
    this.#run = run;
    this.#epoch = epoch;
  }

  /** An item has been added. */
  joined(item: T, result: Deferred<unknown> | undefined): void {
    if (result) (this.#results ??= [])[this.held - 1] = result;
    if (this.#keeping) (this.#items ??= []).push(item);
  }

  /** Makes a job of it, and is empty. Throws what the collector throws, and keeps everything then. */
  close(): BatchJob<T, B> {
    const { held } = this;
    const batch = this.take();
    return this.#job(batch, held, this.#gather.plain ? batch as T[] : this.#items);
  }

  /** As `close`, where no handler is to have it: a collector of one's own is asked nothing. */
  abandon(): BatchJob<T, B> {
    if (this.#gather.plain) return this.close();
    return this.#job(undefined as B, this.reset(), this.#items);
  }

  #job(payload: B, count: number, items: readonly T[] = []): BatchJob<T, B> {
    const { owner } = this.#gather;
    const job = new BatchJob(payload, this.key, this.#run, count, this.#epoch, items, owner);
    job.results = this.#results;
    this.#results = this.#items = this.#run = undefined;
    return job;
  }
}

/** A batch that waits for a worker, or is with one. */
export class BatchJob<T, B> implements IntakeJob<T, B> {
  next: Linked | undefined;
  declare order: number;
  declare lane: Lane | undefined;
  failures = 0;
  results: Results | undefined;
  readonly payload: B;
  readonly key: unknown;
  readonly run: Runner | undefined;
  readonly count: number;
  readonly epoch: Epoch;
  readonly items: readonly T[];
  readonly #owner: string;

  constructor(
    payload: B,
    key: unknown,
    run: Runner | undefined,
    count: number,
    epoch: Epoch,
    items: readonly T[],
    owner: string,
  ) {
    this.payload = payload;
    this.key = key;
    this.run = run;
    this.count = count;
    this.epoch = epoch;
    this.items = items;
    this.#owner = owner;
  }

  /** One result for each item, in order; an `Error` there is the failure of that item alone. */
  deliver(outcome: unknown): void {
    if (!this.results) return;
    const values = this.#values(outcome);
    this.results.forEach((result, place) => {
      const value = values[place];
      if (value instanceof Error) {
        this.failures++;
        result!.reject(value);
      } else {
        result!.resolve(value);
      }
    });
  }

  reject(error: unknown): boolean {
    let told = 0;
    this.results?.forEach((result) => {
      told++;
      result!.reject(error);
    });
    return told === this.count;
  }

  #values(outcome: unknown): readonly unknown[] {
    const rule =
      `the handler must return an iterable with one result for each of ${this.count} items`;
    if (typeof Object(outcome ?? undefined)[Symbol.iterator] !== "function") {
      throw new TypeError(`${this.#owner}: ${rule}; got ${show(outcome)}`);
    }
    const values = [...outcome as Iterable<unknown>];
    if (values.length !== this.count) {
      throw new TypeError(`${this.#owner}: ${rule}; got ${values.length}`);
    }
    return values;
  }
}
