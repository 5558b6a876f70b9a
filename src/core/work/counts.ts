import { Deferred, resolved } from "../shared/promises.ts";
import { Group } from "./group.ts";
import type { Batch, Job, Outcome } from "./job.ts";

/** What `stats` of a sink shows. Every accepted item is in exactly one of the next five. */
export interface SinkStats {
  /** Items that the sink has taken responsibility for. */
  readonly accepted: number;
  /** Accepted items whose handler has not started, or that wait for their next attempt. */
  readonly waiting: number;
  /** Items whose handler has started, and has neither settled nor timed out. */
  readonly running: number;
  /** Items whose handler has succeeded. */
  readonly done: number;
  /** Items whose handler has thrown, rejected or timed out, and that are not tried again. */
  readonly failed: number;
  /**
   * Items that were given up while they waited: by an abort, an error or `maxWait`, or because
   * their caller has left. Also items whose handler failed with an echo of an abort, and items that
   * `consume` has read and could not bring in.
   */
  readonly discarded: number;
  /** Calls of `tryPush` and `trySubmit` that found no room, so far. */
  readonly refused: number;
  /** Items that wait for room now. They are not accepted yet. */
  readonly blocked: number;
  /** Items that a `retry` has sent to the handler again, counted each time. */
  readonly retried: number;
  /**
   * Handlers that run on after their `timeout` now. Their items have failed, and count in `failed`.
   */
  readonly overrunning: number;
}

/**
 * The counts of a sink: `accepted = waiting + running + done + failed + discarded` after every call
 * of a method here. It also keeps the promises that wait for the counts to reach a state.
 */
export class Counts {
  accepted = 0;
  waiting = 0;
  running = 0;
  done = 0;
  failed = 0;
  discarded = 0;
  refused = 0;
  blocked = 0;
  retried = 0;
  overrunning = 0;
  /** Batches that went to the handler. `undefined` in a sink without batches. */
  batches: number | undefined = undefined;

  // No private names in what every item passes: some engines are slow with them.
  /** How many flushes there were. */
  epoch = 0;
  /**
   * The groups of the flushes that are not over, in order. The group of the last epoch is the last.
   */
  private readonly flushes: Group[] = [];
  /** Items that wait for room, are waiting or run. */
  private unsettled = 0;
  private resting: Deferred<void> | undefined = undefined;
  /** Whether a handler that runs on after its timeout keeps its slot. */
  readonly #hold: boolean;

  constructor(hold: boolean) {
    this.#hold = hold;
  }

  get stats(): SinkStats & { batches?: number } {
    const { accepted, waiting, running, done, failed, discarded, batches } = this;
    const { refused, blocked, retried, overrunning } = this;
    const items = { accepted, waiting, running, done, failed, discarded };
    const stats = { ...items, refused, blocked, retried, overrunning };
    return batches === undefined ? stats : { ...stats, batches };
  }

  /** One item is accepted, and waits. */
  accept(): void {
    this.accepted++;
    this.waiting++;
  }

  /** Does what `enter` and `accept` do, for an item that waits for no room. */
  acceptNow(own: Group | undefined): void {
    this.unsettled++;
    this.accepted++;
    this.waiting++;
    if (own !== undefined) own.left++;
  }

  /** Counts items that could not be brought in and that no caller would otherwise hear of. */
  lose(count: number): void {
    this.accepted += count;
    this.discarded += count;
  }

  /** One more item must settle: it is accepted, or waits for room. Returns its epoch. */
  enter(own: Group | undefined): number {
    this.unsettled++;
    if (own !== undefined) own.left++;
    return this.epoch;
  }

  /** Items have settled, or were refused. */
  leave(epoch: number, count: number, own: Group | undefined): void {
    this.unsettled -= count;
    if (this.flushes.length > 0) this.#release(epoch, count);
    if (own !== undefined) own.leave();
    if (this.resting !== undefined) this.#checkIdle();
  }

  /**
   * Items of this epoch settle together with items of an earlier one, because they are in one
   * batch.
   */
  join(epoch: number, earlier: number, count: number): void {
    this.#release(earlier, -count);
    this.#release(epoch, count);
  }

  #release(epoch: number, count: number): void {
    const flushes = this.flushes;
    const group = flushes[flushes.length + epoch - this.epoch];
    if (group) group.left -= count;
    while (flushes[0]?.left === 0) flushes.shift()!.over!.resolve();
  }

  /** A handler gets the items of a job. */
  start(count: number): void {
    this.waiting -= count;
    this.running += count;
  }

  /** The running items of a job have settled. Settles the promises that waited for them. */
  settle(job: Job): void {
    const { count, outcome, batch } = job;
    if (outcome === undefined && batch === undefined) return this.finishItem(job.epoch, job.own);
    this.running -= count;
    this.done += count;
    if (outcome !== undefined) return this.#correct(job, outcome);
    leaveGroups(batch!);
    this.leave(job.epoch, count, job.own);
  }

  /** A running item is done. */
  finishItem(epoch: number, own: Group | undefined): void {
    this.running--;
    this.done++;
    this.leave(epoch, 1, own);
  }

  /**
   * Corrects the counts: some settled items are not done, and the items that go again have not
   * settled.
   */
  #correct(job: Job, { failed, abandoned, returned, again }: Outcome): void {
    const discarded = returned.length + abandoned;
    this.failed += failed;
    this.discarded += discarded;
    this.waiting += again.size;
    this.retried += again.size;
    this.done -= failed + discarded + again.size;
    if (job.batch !== undefined) leaveGroups(job.batch, again);
    this.leave(job.epoch, job.count - again.size, again.size > 0 ? undefined : job.own);
  }

  /** Discards a job that waits. */
  drop({ count, epoch, own, batch }: Job): void {
    this.waiting -= count;
    this.discarded += count;
    if (batch !== undefined) leaveGroups(batch);
    this.leave(epoch, count, own);
  }

  /** Discards all waiting items. */
  discard(): void {
    this.discarded += this.waiting;
    this.waiting = 0;
    this.#checkIdle();
  }

  /** One more handler runs on after its timeout (1), or one fewer (-1). */
  overrun(by: 1 | -1): void {
    this.overrunning += by;
    this.#checkIdle();
  }

  /** Whether the sink is idle and no slot is taken. */
  #rests(): boolean {
    return this.idle && !(this.#hold && this.overrunning);
  }

  get idle(): boolean {
    return this.waiting === 0 && this.running === 0;
  }

  whenIdle(): Promise<void> {
    return this.#rests() ? resolved() : (this.resting ??= new Deferred()).promise;
  }

  /**
   * Resolves when all items of `own` have settled. Without `own`, when all that have come so far
   * have.
   */
  whenFlushed(own?: Group): Promise<void> {
    if ((own?.left ?? this.unsettled) === 0) return resolved();
    const group = own ?? new Group();
    if (!own) {
      group.left = this.unsettled;
      for (const { left } of this.flushes) group.left -= left;
      this.flushes.push(group);
      this.epoch++;
    }
    return (group.over = new Deferred()).promise;
  }

  /** The sink has failed: rejects the flushes. Returns whether there were any. */
  rejectFlushes(reason: unknown): boolean {
    const flushes = this.flushes.splice(0);
    for (const { over } of flushes) over!.reject(reason);
    return flushes.length > 0;
  }

  #checkIdle(): void {
    if (!this.#rests()) return;
    this.resting?.resolve();
    this.resting = undefined;
  }
}

/** The items of a batch have settled, except those that go again. */
function leaveGroups({ owns }: Batch, again?: ReadonlySet<number>): void {
  owns.forEach((own, place) => again?.has(place) || own.leave());
}
