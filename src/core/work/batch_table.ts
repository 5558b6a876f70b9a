import { BatchBuffer, type Collector } from "../batch/batch_buffer.ts";
import { TimeoutQueue } from "../shared/timeout_queue.ts";
import { settleBatch } from "./batch_results.ts";
import type { Counts } from "./counts.ts";
import type { Group } from "./group.ts";
import type { Batch, Failure, Job, Result, Runner } from "./job.ts";
import type { Pool } from "./pool.ts";
import type { Room } from "./room.ts";

/** How a {@linkcode BatchTable} gathers. Checked already. */
export interface BatchOptions<T, B> {
  owner: string;
  collect: () => Collector<T, B>;
  linger: number;
  /** Whether there are keys, and a batch for each. */
  keyed: boolean;
  /** Whether a batch is the array of its items. */
  plain: boolean;
  /** Whether it takes code of the user's to know if an item fits. */
  asking: boolean;
  /** Is told what the next item weighs, if its queue knows. */
  weighed: { weight: number } | undefined;
  /** Whether the items are kept beside it, because somebody is to be told what has become of them. */
  keeping: boolean;
}

/** Whose open batches these are. */
export interface BatchHost<B> {
  readonly counts: Counts;
  readonly pool: Pool<B, Result>;
  readonly room: Room<B>;
  /** Throws if nothing can be accepted any more, also while `closing`. */
  check(closing: boolean): void;
  /** A collector has thrown: everything ends. `heard`: the caller is told. */
  error(reason: unknown, heard?: boolean): void;
  /** Starts what can start, and lets in those who wait for room. */
  proceed(): void;
}

/** A batch that gathers, and what came with its items. */
interface PendingBatch<T, B> {
  /** Its neighbours among the open ones, the older and the younger. */
  before: PendingBatch<T, B> | undefined;
  after: PendingBatch<T, B> | undefined;
  readonly buffer: BatchBuffer<T, B>;
  readonly key: unknown;
  /** Its collector is being asked for the batch. */
  taking: boolean;
  /** Of the items that a `consume()` has brought. */
  owns: Group[];
  /** Of its items the earliest. */
  epoch: number;
  /** These are of the item that opened it: the last is its place in the order of acceptance. */
  snapshot: Runner | undefined;
  order: number;
  /** Its place in the pool's queue, since it is due. */
  ticket: Job<B> | undefined;
  /** What its items weigh in the queue, where that is bounded. */
  weight: number;
  weights: number[];
  /** For those that were submitted. */
  results: Result[];
  /** If they cannot be had from the batch. */
  items: T[];
}

/** The open batches of an `Aggregator`, one for each key, until they are jobs. */
export class BatchTable<T, B> {
  readonly #clock: TimeoutQueue<BatchBuffer<T, B>>;
  private readonly host: BatchHost<B>;
  readonly #options: BatchOptions<T, B>;
  /** Whether the items cannot be had from the batch when it is a job. */
  private readonly keeping: boolean;
  /** The batches with items in them, the oldest first. */
  private readonly open = new Map<unknown, PendingBatch<T, B>>();
  /** The ends of that order. To find the first of a map takes as long as many have left it. */
  #oldest: PendingBatch<T, B> | undefined;
  #newest: PendingBatch<T, B> | undefined;
  /** The only one, if there are no keys. */
  private readonly single: PendingBatch<T, B> | undefined;
  private readonly asking: boolean;

  constructor(host: BatchHost<B>, options: BatchOptions<T, B>) {
    this.host = host;
    this.#options = options;
    this.asking = options.asking;
    this.keeping = options.keeping && !options.plain;
    this.#clock = new TimeoutQueue(options.linger, (batch) => batch.lingered());
    host.counts.batches = 0;
    this.single = options.keyed ? undefined : this.#make(undefined);
  }

  /** How many batches are open. */
  get size(): number {
    return this.open.size;
  }

  /** Accepts an item, for which there is room; false if user code in there has used it up. May throw. */
  add(
    item: T,
    key: unknown,
    snapshot: Runner | undefined,
    result: Result | undefined,
    own: Group | undefined,
    weight: number,
    epoch?: number,
  ): boolean {
    // Nothing has changed yet: what is thrown here concerns this item alone, and only its caller is told.
    const batch = this.single ?? this.open.get(key) ?? this.#make(key);
    if (this.asking) return this.#ask(batch, item, snapshot, result, own, weight, epoch);
    batch.buffer.add(item);
    this.#note(batch, item, snapshot, result, weight, epoch);
    this.accept(batch, item, own, epoch, false);
    return true;
  }

  /** Whether `put` may be called: there are no keys, and nothing of the user's is asked about an item. */
  get plainItems(): boolean {
    return this.single !== undefined && !this.asking;
  }

  /** The same, for an item of which nothing more is known. */
  put(item: T, own: Group | undefined): void {
    this.accept(this.single!, item, own, undefined, undefined);
  }

  /** What came with an item, which is the last in its batch. */
  #note(
    batch: PendingBatch<T, B>,
    item: T,
    snapshot: Runner | undefined,
    result: Result | undefined,
    weight: number,
    epoch: number | undefined,
  ): void {
    const { room } = this.host;
    const place = batch.buffer.held - 1;
    if (place === 0) batch.snapshot = snapshot;
    if (result !== undefined) batch.results[place] = result;
    if (this.keeping) batch.items.push(item);
    if (!room.bounded) return;
    room.enter(batch.key, weight, epoch !== undefined);
    batch.weight += weight;
    batch.weights.push(weight);
  }

  /** The same, where a collector is asked: it may be user code. */
  #ask(
    batch: PendingBatch<T, B>,
    item: T,
    snapshot: Runner | undefined,
    result: Result | undefined,
    own: Group | undefined,
    weight: number,
    epoch: number | undefined,
  ): boolean {
    const { host } = this;
    const { room } = host;
    const { buffer, key } = batch;
    const { weighed } = this.#options;
    if (weighed) weighed.weight = weight;
    const fits = buffer.fits(item);
    let closed = false;
    try {
      const goes = buffer.goesBefore(fits);
      // The sink may be at its end by now, or full, or this batch closed.
      host.check(true);
      if (!room.fits(weight) || !(epoch !== undefined || room.keyFits(key))) return false;
      if (!this.#current(batch)) return this.add(item, key, snapshot, result, own, weight, epoch);
      if (goes) closed = this.#close(batch);
      // A place is kept for the item while its collector has it. A throw ends the sink.
      room.limit--;
      buffer.add(item);
      room.limit++;
      host.check(true);
      // Code of the user's may have opened another batch of this key meanwhile.
      const other = buffer.held === 1 && this.open.get(key);
      if (other) closed = this.#close(other);
    } catch (error) {
      host.error(error, true);
      buffer.reset();
      throw error;
    }
    this.#note(batch, item, snapshot, result, weight, epoch);
    this.accept(batch, item, own, epoch, closed);
    return true;
  }

  /**
   * An item is in its batch, or is added where it need not be asked whether another one has gone out
   * before it, and was `closed`. One with an `epoch` has waited for room. One long function: Bun takes a
   * third longer for two.
   */
  private accept(
    batch: PendingBatch<T, B>,
    item: T,
    own: Group | undefined,
    epoch: number | undefined,
    closed: boolean | undefined,
  ): void {
    const { host } = this;
    const { room, counts } = host;
    const { buffer } = batch;
    if (closed === undefined) buffer.add(item);
    const place = buffer.held - 1;
    const since = epoch ?? counts.enter(own);
    if (place === 0) this.#opened(batch, since);
    else if (batch.epoch !== since) this.#join(batch, since);
    counts.accept();
    if (own !== undefined) batch.owns[place] = own;
    // It is accepted already, whatever the collector throws now.
    try {
      if (buffer.full) closed = this.#close(batch) || closed;
      else if (room.bounded && room.keyFull(batch.key) && !batch.ticket) {
        // No more of this key will come.
        buffer.makeDue();
        this.#queue(batch);
        closed = true;
      }
    } catch (error) {
      host.error(error);
    }
    // Who has waited for room goes on only when a flush has closed what it waits for.
    if ((closed || room.full) && epoch === undefined) host.proceed();
  }

  /** The first item is in a batch. */
  #opened(batch: PendingBatch<T, B>, epoch: number): void {
    const newest = this.#newest;
    batch.epoch = epoch;
    batch.order = this.host.counts.accepted;
    batch.before = newest;
    if (newest) newest.after = batch;
    else this.#oldest = batch;
    this.#newest = batch;
    this.open.set(batch.key, batch);
  }

  /** All settle with the earliest. One may have been overtaken while its weight was asked for. */
  #join(batch: PendingBatch<T, B>, epoch: number): void {
    const { counts } = this.host;
    if (batch.epoch < epoch) return counts.join(epoch, batch.epoch, 1);
    counts.join(batch.epoch, epoch, batch.buffer.held - 1);
    batch.epoch = epoch;
  }

  /** Makes a job of every open batch, or of those that `which` says. */
  closeAll(which?: (batch: PendingBatch<T, B>) => boolean): void {
    for (const batch of [...this.open.values()]) {
      if (!which || which(batch)) this.#tryClose(batch);
    }
  }

  /**
   * At capacity the oldest goes to a free worker, so that none waits for another; `all` do if nothing
   * more comes. Returns whether anything has changed.
   */
  dispatch(all: boolean): boolean {
    const { pool, room } = this.host;
    // A collector is at work: what it does to this sink comes before that.
    if (room.limit === 0) return false;
    if (all && this.open.size > 0) {
      this.closeAll();
      pool.fill();
      return true;
    }
    if (!pool.idle || !room.full) return false;
    // It passes over fewer than there are workers: one of each key that runs.
    let batch = this.#oldest;
    while (batch && !pool.canStart(batch.key)) batch = batch.after;
    if (!batch) {
      pool.awaitRate();
      return false;
    }
    this.#queue(batch);
    pool.fill();
    return true;
  }

  /** Whether a batch is the array of its items. */
  get plain(): boolean {
    return this.#options.plain;
  }

  /** A batch is over: tells those whose items are done, and returns what has failed. */
  settle(job: Job<B>, failed: boolean, outcome: unknown): Iterable<Failure> {
    return settleBatch(this.#options.owner, job, failed, outcome);
  }

  /** Leaves to a job what goes again of it. What a collector has made goes as it was. */
  shrink(job: Job<B>, again: Iterable<number>): void {
    if (!this.plain) return;
    const batch = job.batch!;
    const places = [...again];
    for (const list of Object.keys(batch) as (keyof Batch)[]) {
      batch[list] = pick(batch[list], places);
    }
    job.count = places.length;
    job.payload = batch.items.slice() as B;
    job.weight = batch.weights.reduce((sum, weight) => sum + weight, 0);
  }

  /** The turn of a batch that is due has come: makes the job of it. May find it gone. */
  begin(ticket: Job<B>): void {
    const batch = this.open.get(ticket.key);
    if (batch?.ticket === ticket) this.#tryClose(batch, ticket);
  }

  /** A batch that is due has waited too long: makes the job of it, for no handler. */
  drop(ticket: Job<B>): void {
    const batch = this.open.get(ticket.key);
    if (batch?.ticket !== ticket) return;
    this.#leave(batch);
    this.#fill(ticket, batch, false);
  }

  /** Takes what was gathered, for no handler. */
  abort(): Job<B>[] {
    const jobs = [...this.open.values()].map((batch) =>
      this.#fill(this.#newJob(batch), batch, false)
    );
    this.open.clear();
    this.#oldest = this.#newest = undefined;
    this.single?.buffer.end();
    this.#clock.clear();
    return jobs;
  }

  #make(key: unknown): PendingBatch<T, B> {
    const onDue = (): void => {
      this.#queue(batch);
      this.host.proceed();
    };
    const batch: PendingBatch<T, B> = {
      before: undefined,
      after: undefined,
      buffer: new BatchBuffer(this.#options.collect(), this.#clock, onDue),
      key,
      taking: false,
      snapshot: undefined,
      owns: [],
      epoch: 0,
      order: 0,
      ticket: undefined,
      weight: 0,
      weights: [],
      results: [],
      items: [],
    };
    return batch;
  }

  /** Whether this is the batch that items of its key go to. */
  #current(batch: PendingBatch<T, B>): boolean {
    return !!this.single || (this.open.get(batch.key) ?? batch) === batch;
  }

  /** The batch is due: it takes its place in the queue, and gathers until its turn comes. */
  #queue(batch: PendingBatch<T, B>): void {
    const ticket = batch.ticket = this.#newJob(batch);
    // None yet.
    ticket.count = 0;
    this.host.pool.add(ticket);
  }

  /** When nobody could be given what the collector throws. */
  #tryClose(batch: PendingBatch<T, B>, running?: Job<B>): void {
    try {
      this.#close(batch, running);
    } catch (error) {
      this.host.error(error);
    }
  }

  /** The batch goes to the pool, or is what its ticket runs, and the next item opens another. */
  #close(batch: PendingBatch<T, B>, running?: Job<B>): boolean {
    const { buffer } = batch;
    const host = this.host;
    const { room } = host;
    const { limit } = room;
    // Or it was closed while its collector was asked whether it is full.
    if (batch.taking || buffer.held === 0) return false;
    // A throw of the collector ends the sink: there is nothing to put back.
    batch.taking = true;
    room.limit = 0;
    const { empty } = buffer;
    const { ticket } = batch;
    const job = (!empty && (running ?? ticket)) || this.#newJob(batch);
    this.#fill(job, batch, !empty);
    batch.taking = false;
    room.limit = limit;
    host.check(true);
    this.#leave(batch);
    const { counts, pool } = host;
    if (empty) {
      // The collector has swallowed everything: there is nothing to handle.
      counts.start(job.count);
      room.leave(job);
      for (const result of job.batch!.results) result?.resolve(undefined);
      counts.settle(job);
    } else if (!ticket) pool.add(job);
    return true;
  }

  /** It is open no more. */
  #leave(batch: PendingBatch<T, B>): void {
    const { before, after } = batch;
    if (before) before.after = after;
    else this.#oldest = after;
    if (after) after.before = before;
    else this.#newest = before;
    batch.before = batch.after = undefined;
    this.open.delete(batch.key);
  }

  /** The place of a batch in the order of acceptance is that of its first item. */
  #newJob({ key, order }: PendingBatch<T, B>): Job<B> {
    const job = this.host.pool.take(undefined as B, key);
    job.batch = { items: [], results: [], owns: [], weights: [] };
    job.order = order;
    return job;
  }

  /**
   * The job has the batch, which is empty then. If no handler is to have it, a collector of one's own is
   * asked nothing. Throws what the collector throws, and keeps everything then.
   */
  #fill(job: Job<B>, batch: PendingBatch<T, B>, wanted: boolean): Job<B> {
    const { buffer, snapshot, results, epoch, owns, weight, weights, items } = batch;
    const { plain, keeping } = this.#options;
    const { held } = buffer;
    const payload = (wanted || plain ? buffer.take() : buffer.reset()) as B;
    job.payload = payload;
    job.count = held;
    job.snapshot = snapshot;
    job.epoch = epoch;
    job.weight = weight;
    // What a handler does to its batch is not known here.
    const kept = plain ? keeping ? (payload as T[]).slice() : payload as T[] : items;
    job.batch = { items: kept, results, owns, weights };
    batch.ticket = batch.snapshot = undefined;
    batch.results = [];
    batch.items = [];
    batch.owns = [];
    batch.weights = [];
    batch.weight = 0;
    return job;
  }
}

/** What a list has at these places: with the holes that it has. */
function pick(list: readonly unknown[], places: readonly number[]): never[] {
  const picked: unknown[] = [];
  for (const [n, place] of places.entries()) if (place in list) picked[n] = list[place];
  return picked as never[];
}
