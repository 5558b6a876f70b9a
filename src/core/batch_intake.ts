import { type Linger, startLinger } from "./batcher.ts";
import { Intake } from "./intake.ts";
import type { IntakeJob } from "./intake_job.ts";
import type { IntakeOptions } from "./intake_options.ts";
import type { Counts } from "./ledger.ts";
import { type BatchJob, type Gathering, OpenBatch } from "./open_batch.ts";
import type { Runner } from "./pool.ts";
import type { Deferred } from "./promises.ts";

/** How a {@linkcode BatchIntake} gathers. Checked already. */
export interface GatherOptions<T, B> extends Gathering<T, B> {
  /** The most items in batches that wait. */
  capacity: number;
  linger: number;
}

/** Gathers items into batches, one for each key, and has the pool handle them. */
export class BatchIntake<T, B> extends Intake<T, B> {
  readonly #gather: GatherOptions<T, B>;
  readonly #capacity: number;
  readonly #asking: boolean;
  readonly #linger: Linger;
  /** The batches with items in them, the oldest first. */
  readonly #open = new Map<unknown, OpenBatch<T, B>>();
  /** Those that are due, and wait for a worker. */
  readonly #due = new Set<OpenBatch<T, B>>();
  /** The only one, where there are no keys. */
  readonly #single: OpenBatch<T, B> | undefined;
  /** How many collectors are being asked for their batch, which they may use to come back here. */
  #taking = 0;
  /** How many items are on their way into a collector, which may come back here as well. */
  #adding = 0;
  #batches = 0;

  constructor(options: IntakeOptions<T, B>, gather: GatherOptions<T, B>) {
    super(options);
    this.#gather = gather;
    this.#capacity = gather.capacity;
    this.#asking = gather.asking;
    this.#linger = startLinger(gather.linger);
    if (!options.key) this.#single = this.#make(undefined);
  }

  override get stats(): Counts & { batches: number } {
    return { ...super.stats, batches: this.#batches };
  }

  override starting(job: IntakeJob<T, B>): void {
    this.#batches++;
    super.starting(job);
  }

  override flush(): Promise<void> {
    // Closed first, so that no batch spans two epochs; started last, because that is user code.
    this.#closeAll();
    const flushed = super.flush();
    this.#proceed();
    return flushed;
  }

  protected override hasRoom(): boolean {
    return this.ledger.waiting + this.#adding < this.#capacity && this.#taking === 0;
  }

  override accept(
    item: T,
    key: unknown,
    run: Runner | undefined,
    result: Deferred<unknown> | undefined,
  ): boolean {
    let batch = this.#single ?? this.#open.get(key);
    let closed = false;
    try {
      batch ??= this.#make(key);
      if (this.#asking) {
        const fits = batch.fits(item);
        // That is user code: the sink may be at its end by now, or full, or this batch closed.
        this.checkUsable();
        if (!this.hasRoom()) return false;
        if (!this.#current(batch)) return this.accept(item, key, run, result);
        if (!fits) closed = this.#close(batch);
        // A place is kept for the item while its collector has it. A throw ends the sink.
        this.#adding++;
        batch.add(item);
        this.#adding--;
        this.checkUsable();
        // Code of the user's may have opened another batch of this key meanwhile.
        const other = batch.held === 1 && this.#open.get(key);
        if (other) closed = this.#close(other);
      } else {
        batch.add(item);
      }
    } catch (error) {
      this.fail(error);
      batch?.reset();
      throw error;
    }
    if (batch.held === 1) {
      batch.begin(run, this.ledger.epoch);
      this.#open.set(key, batch);
    }
    this.ledger.accept();
    batch.joined(item, result);
    // It is accepted already, whatever the collector throws now.
    closed = this.#tryClose(batch, "full") || closed;
    if (closed || !this.hasRoom()) this.#proceed();
    return true;
  }

  protected override get dispatches(): boolean {
    return this.#open.size > 0;
  }

  /** A due batch goes to a free worker; at capacity the oldest does, so that none waits for another. */
  protected override dispatch(all: boolean): boolean {
    if (this.#taking > 0) return false;
    if (all && this.#open.size > 0) {
      this.#closeAll();
      this.pool.drain();
      return true;
    }
    // First, or with many keys each settlement would look at all of them.
    if (!this.pool.idle) return false;
    const next = this.#startable(this.#due) ??
      (this.hasRoom() ? undefined : this.#startable(this.#open.values()));
    if (!next) return false;
    if (this.#tryClose(next)) this.pool.drain();
    return true;
  }

  protected override abandon(): IntakeJob<T, B>[] {
    const jobs = [...this.#open.values()].map((batch) => batch.abandon());
    this.#open.clear();
    this.#due.clear();
    this.#single?.end();
    this.#linger.clear();
    return jobs;
  }

  #make(key: unknown): OpenBatch<T, B> {
    const batch: OpenBatch<T, B> = new OpenBatch(this.#gather, key, this.#linger, () => {
      this.#due.add(batch);
      this.rested();
    });
    return batch;
  }

  /** Starts what can start. Where no worker is free, those who wait for room may come in all the same. */
  #proceed(): void {
    if (this.pool.idle) this.pool.drain();
    else this.rested();
  }

  /** Whether this is the batch that items of its key go to. */
  #current(batch: OpenBatch<T, B>): boolean {
    if (this.#single) return true;
    return batch.held > 0 ? this.#open.get(batch.key) === batch : !this.#open.has(batch.key);
  }

  #startable(batches: Iterable<OpenBatch<T, B>>): OpenBatch<T, B> | undefined {
    for (const batch of batches) if (this.pool.canStart(batch.key)) return batch;
    return undefined;
  }

  #closeAll(): void {
    for (const batch of [...this.#open.values()]) this.#tryClose(batch);
  }

  /** Where nobody could be given what the collector throws. */
  #tryClose(batch: OpenBatch<T, B>, where?: "full"): boolean {
    try {
      return (!where || batch.full) && this.#close(batch);
    } catch (error) {
      this.fail(error);
      return false;
    }
  }

  /** The batch goes to the pool, and the next item opens another. */
  #close(batch: OpenBatch<T, B>): boolean {
    // Or it was closed while its collector was asked whether it is full.
    if (batch.taking || batch.held === 0) return false;
    // A throw of the collector ends the sink: there is nothing to put back.
    batch.taking = true;
    this.#taking++;
    const { empty } = batch;
    const job = empty ? batch.abandon() : batch.close();
    batch.taking = false;
    this.#taking--;
    this.checkUsable();
    this.#open.delete(batch.key);
    this.#due.delete(batch);
    if (empty) this.#skip(job);
    else this.pool.add(job);
    return true;
  }

  /** The collector has swallowed everything: there is nothing to handle. */
  #skip(job: BatchJob<T, B>): void {
    this.ledger.start(job.count);
    job.results?.forEach((result) => result!.resolve(undefined));
    this.released(job);
  }
}
