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
  /** Whether there are keys, and a batch for each key. */
  keyed: boolean;
  /** Whether a batch is the array of its items. */
  plain: boolean;
  /** Whether user code decides if an item fits. */
  asking: boolean;
  /** Gets the weight of the next item, if the queue knows it. */
  weighed: { weight: number } | undefined;
  /**
   * Whether the items are kept besides the batch, because `onError`, `onDiscard` or `retry` needs
   * them.
   */
  keeping: boolean;
}

/** The owner of the open batches. */
export interface BatchHost<B> {
  readonly counts: Counts;
  readonly pool: Pool<B, Result>;
  readonly room: Room<B>;
  /**
   * Throws if the sink accepts no more items. With `closing`, it does not throw while the sink
   * closes.
   */
  check(closing: boolean): void;
  /** A collector has thrown: everything ends. With `heard`, the caller gets the error. */
  error(reason: unknown, heard?: boolean): void;
  /** Starts the jobs that can start, and lets in items that wait for room. */
  proceed(): void;
}

/** A batch that gathers, and what came with its items. */
interface PendingBatch<T, B> {
  /** Its neighbours among the open batches, the older one and the younger one. */
  before: PendingBatch<T, B> | undefined;
  after: PendingBatch<T, B> | undefined;
  readonly buffer: BatchBuffer<T, B>;
  readonly key: unknown;
  /** Whether its collector is making the batch. */
  taking: boolean;
  /** The groups of the `consume()` calls that have brought its items. */
  owns: Group[];
  /** The earliest epoch of its items. */
  epoch: number;
  /**
   * The snapshot of the item that opened the batch, and the place of that item in the order of
   * acceptance.
   */
  snapshot: Runner | undefined;
  order: number;
  /** Its job in the pool's queue, once the batch is due. */
  ticket: Job<B> | undefined;
  /** The weights of its items in the queue, if weight is bounded. */
  weight: number;
  weights: number[];
  /** The promises of the callers that have submitted items. */
  results: Result[];
  /** Its items, if they are needed and the batch itself is not an array of them. */
  items: T[];
}

/** The open batches of an `Aggregator`, one for each key, until they are jobs. */
export class BatchTable<T, B> {
  readonly #clock: TimeoutQueue<BatchBuffer<T, B>>;
  private readonly host: BatchHost<B>;
  readonly #options: BatchOptions<T, B>;
  /** Whether the items are kept apart, because a batch is not an array of them. */
  private readonly keeping: boolean;
  /** The batches with items in them, the oldest first. */
  private readonly open = new Map<unknown, PendingBatch<T, B>>();
  /**
   * The ends of that order. Finding the first entry of a `Map` takes longer, the more entries have
   * left it.
   */
  #oldest: PendingBatch<T, B> | undefined;
  #newest: PendingBatch<T, B> | undefined;
  /** The only batch, if there are no keys. */
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

  /**
   * Accepts an item. There must be room for it. Returns false if user code in here has used up the
   * room. May throw.
   */
  add(
    item: T,
    key: unknown,
    snapshot: Runner | undefined,
    result: Result | undefined,
    own: Group | undefined,
    weight: number,
    epoch?: number,
  ): boolean {
    // Nothing has changed yet: an error here concerns this item alone, and only its caller gets it.
    const batch = this.single ?? this.open.get(key) ?? this.#make(key);
    if (this.asking) return this.#ask(batch, item, snapshot, result, own, weight, epoch);
    batch.buffer.add(item);
    this.#note(batch, item, snapshot, result, weight, epoch);
    this.accept(batch, own, epoch, false);
    return true;
  }

  /** Whether `put` may be called: there are no keys, and no user code runs for an item. */
  get plainItems(): boolean {
    return this.single !== undefined && !this.asking;
  }

  /** Accepts an item about which nothing more is known. */
  put(item: T, own: Group | undefined): void {
    const batch = this.single!;
    const { buffer } = batch;
    const { counts, room } = this.host;
    if (buffer.held === 0 || batch.epoch !== counts.epoch) {
      buffer.add(item);
      return this.accept(batch, own, undefined, false);
    }
    // Does the same for an item that joins a batch: under load, most do.
    buffer.append(item);
    counts.acceptNow(own);
    if (own !== undefined) batch.owns[buffer.held - 1] = own;
    if (buffer.full || counts.waiting >= room.limit) this.#afterItem(batch, undefined, false);
  }

  /** Notes what came with an item, which is the last in its batch. */
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

  /** Accepts an item if a collector must be asked, which may be user code. */
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
      // The sink may have ended or become full meanwhile, or this batch was closed.
      host.check(true);
      if (!room.fits(weight) || !(epoch !== undefined || room.keyFits(key))) return false;
      if (!this.#current(batch)) return this.add(item, key, snapshot, result, own, weight, epoch);
      if (goes) closed = this.#close(batch);
      // This reserves a place for the item while its collector has it. A throw ends the sink.
      room.limit--;
      buffer.add(item);
      room.limit++;
      host.check(true);
      // User code may have opened another batch of this key meanwhile.
      const other = buffer.held === 1 && this.open.get(key);
      if (other) closed = this.#close(other);
    } catch (error) {
      host.error(error, true);
      buffer.reset();
      throw error;
    }
    this.#note(batch, item, snapshot, result, weight, epoch);
    this.accept(batch, own, epoch, closed);
    return true;
  }

  /**
   * Accepts an item that is in its batch already. `closed` says whether another batch has gone out
   * before it. An item with an `epoch` has waited for room.
   */
  private accept(
    batch: PendingBatch<T, B>,
    own: Group | undefined,
    epoch: number | undefined,
    closed: boolean,
  ): void {
    const { counts } = this.host;
    const place = batch.buffer.held - 1;
    const since = epoch ?? counts.enter(own);
    if (place === 0) this.#opened(batch, since);
    else if (batch.epoch !== since) this.#join(batch, since);
    counts.accept();
    if (own !== undefined) batch.owns[place] = own;
    this.#afterItem(batch, epoch, closed);
  }

  /** After an item, its batch may be full, and the queue may proceed. */
  #afterItem(batch: PendingBatch<T, B>, epoch: number | undefined, closed: boolean): void {
    const { host } = this;
    const { room } = host;
    const { buffer } = batch;
    // The item is accepted already, even if the collector throws now.
    try {
      if (buffer.full) closed = this.#close(batch) || closed;
      else if (room.bounded && room.keyFull(batch.key) && !batch.ticket) {
        // No more items of this key can come in.
        buffer.makeDue();
        this.#queue(batch);
        closed = true;
      }
    } catch (error) {
      host.error(error);
    }
    // After an item that has waited for room, the queue proceeds only when a flush has closed the
    // batches it waits for.
    if ((closed || room.full) && epoch === undefined) host.proceed();
  }

  /** The batch has got its first item. */
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

  /**
   * All items of a batch settle with the earliest epoch. An item may have been overtaken while it
   * was weighed.
   */
  #join(batch: PendingBatch<T, B>, epoch: number): void {
    const { counts } = this.host;
    if (batch.epoch < epoch) return counts.join(epoch, batch.epoch, 1);
    counts.join(batch.epoch, epoch, batch.buffer.held - 1);
    batch.epoch = epoch;
  }

  /** Makes a job of every open batch, or of those for which `which` returns true. */
  closeAll(which?: (batch: PendingBatch<T, B>) => boolean): void {
    for (const batch of [...this.open.values()]) {
      if (!which || which(batch)) this.#tryClose(batch);
    }
  }

  /**
   * At capacity the oldest batch goes to a free worker, so that no batch waits for another. With
   * `all`, all batches go, because no more items come. Returns whether anything has changed.
   */
  dispatch(all: boolean): boolean {
    const { pool, room } = this.host;
    // While a collector makes its batch, no batch goes.
    if (room.limit === 0) return false;
    if (all && this.open.size > 0) {
      this.closeAll();
      pool.fill();
      return true;
    }
    if (!pool.idle || !room.full) return false;
    // This passes over fewer batches than there are workers: one for each key that runs.
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

  /** A batch is over: resolves the callers whose items are done, and returns the failures. */
  settle(job: Job<B>, failed: boolean, outcome: unknown): Iterable<Failure> {
    return settleBatch(this.#options.owner, job, failed, outcome);
  }

  /** Reduces a job to the items that go again. A batch that a collector has made goes unchanged. */
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

  /** The turn of a due batch has come: fills its job. The batch may be gone. */
  begin(ticket: Job<B>): void {
    const batch = this.open.get(ticket.key);
    if (batch?.ticket === ticket) this.#tryClose(batch, ticket);
  }

  /** A due batch has waited too long: fills its job, which goes to no handler. */
  drop(ticket: Job<B>): void {
    const batch = this.open.get(ticket.key);
    if (batch?.ticket !== ticket) return;
    this.#leave(batch);
    this.#fill(ticket, batch, false);
  }

  /** Takes the items that were gathered. They go to no handler. */
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

  /** Whether items of its key go to this batch. */
  #current(batch: PendingBatch<T, B>): boolean {
    return !!this.single || (this.open.get(batch.key) ?? batch) === batch;
  }

  /**
   * The batch is due: its job takes a place in the queue, and the batch gathers until its turn
   * comes.
   */
  #queue(batch: PendingBatch<T, B>): void {
    const ticket = batch.ticket = this.#newJob(batch);
    // It has no items yet.
    ticket.count = 0;
    this.host.pool.add(ticket);
  }

  /**
   * Closes a batch while no caller could get an error of the collector: the sink errors with it.
   */
  #tryClose(batch: PendingBatch<T, B>, running?: Job<B>): void {
    try {
      this.#close(batch, running);
    } catch (error) {
      this.host.error(error);
    }
  }

  /**
   * The batch goes to the pool, or fills the job that the pool runs. The next item opens another
   * batch.
   */
  #close(batch: PendingBatch<T, B>, running?: Job<B>): boolean {
    const { buffer } = batch;
    const host = this.host;
    const { room } = host;
    const { limit } = room;
    // The batch may have been closed while its collector was computing `full`.
    if (batch.taking || buffer.held === 0) return false;
    // If the collector throws, the sink ends: nothing needs to be restored.
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
      // The collector has swallowed all items: there is nothing to handle.
      counts.start(job.count);
      room.leave(job);
      for (const result of job.batch!.results) result?.resolve(undefined);
      counts.settle(job);
    } else if (!ticket) pool.add(job);
    return true;
  }

  /** The batch is no longer open. */
  #leave(batch: PendingBatch<T, B>): void {
    const { before, after } = batch;
    if (before) before.after = after;
    else this.#oldest = after;
    if (after) after.before = before;
    else this.#newest = before;
    batch.before = batch.after = undefined;
    this.open.delete(batch.key);
  }

  /**
   * Makes the job of a batch. Its place in the order of acceptance is the place of its first item.
   */
  #newJob({ key, order }: PendingBatch<T, B>): Job<B> {
    const job = this.host.pool.take(undefined as B, key);
    job.batch = { items: [], results: [], owns: [], weights: [] };
    job.order = order;
    return job;
  }

  /**
   * Moves the batch into the job, and leaves the batch empty. If it is not `wanted` by a handler,
   * this does not call a collector of the user. If the collector throws, this throws that error and
   * changes nothing.
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
    // The handler may change its batch, so this copies the items that must be kept.
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

/** The elements of a list at these places, with its holes. */
function pick(list: readonly unknown[], places: readonly number[]): never[] {
  const picked: unknown[] = [];
  for (const [n, place] of places.entries()) if (place in list) picked[n] = list[place];
  return picked as never[];
}
