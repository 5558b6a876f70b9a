/** Models the calls of a sink (handler, `retry`, `onError`, `onDiscard`), and checks them. */

import type { SinkContext, SinkStats } from "../../mod.ts";
import { gate } from "../support/gate.ts";
import type { Clock } from "../support/clock.ts";
import { Run } from "./race.ts";
import { isTimeout } from "./sink_promises.ts";
import {
  type Again,
  type End,
  HEAVIEST,
  HEAVY,
  type Item,
  type Job,
  LATE,
  MISSING,
} from "./sink_steps.ts";
import type { Plan, SinkSetup, SinkStep, Verdict } from "./sink_steps.ts";

/** The `timeout`, if there is one. */
export const TIMEOUT = 10;

/** The most attempts of a `retry`. */
const ATTEMPTS = 3;

/** The inner part of the model of a sink. */
export abstract class SinkCalls<S extends SinkSetup> extends Run<SinkStep> {
  protected readonly setup: S;
  /**
   * All items in the order of acceptance. The last of them may still wait for room: first those in
   * line, then those that wait for room for their key and are not in line yet.
   */
  readonly offers: Item[] = [];
  protected readonly jobs: Job[] = [];
  /** The current concurrency. */
  protected concurrency: number;
  #most: number;
  /** The highest concurrency so far. */
  protected ever: number;
  /** The retries, in the order of the failures. */
  protected readonly agains: Set<Again> = new Set();
  #retried = 0;
  /** The items whose handler is about to start. */
  #starting: readonly Item[] = [];
  /** The times of handler starts. */
  readonly #starts: number[] = [];
  /** The reasons for which `consume` calls were stopped. */
  protected readonly stopped: Set<unknown> = new Set();
  /** The time at the last quiet moment. */
  #quietAt = 0;
  /** The late items for which `onDiscard` was not called yet. */
  readonly #untold = new Set<Item>();
  /** The number of refused items. */
  protected refused = 0;
  /** How often the sink was idle. */
  idled = 0;
  /** The first error. */
  first: { readonly error: unknown } | undefined;
  #discarded = 0;
  #errors = 0;

  constructor(setup: S, clock: Clock) {
    super(clock);
    this.setup = setup;
    this.concurrency = this.#most = this.ever = setup.concurrency;
  }

  abstract closing: boolean;
  /** Whether each item is handled alone, so that it leaves with its caller. */
  protected abstract readonly alone: boolean;
  abstract get stats(): SinkStats;
  /** Returns the outcome of a handler for an end. */
  protected abstract outcome(items: readonly Item[], end: End): Verdict;
  /** Returns the outcome of one of the items. */
  protected abstract verdict(job: Job, place: number, outcome: Verdict): Verdict;
  /** The most items that may wait. */
  protected abstract readonly capacity: number;
  /** The most items in a handler's call. */
  protected abstract readonly atOnce: number;
  /** Called when an item is accepted at this place. */
  protected onAccept(_item: Item, _place: number): void {}
  /** Checks the start of a handler with these items. */
  protected abstract checkStart(items: readonly Item[]): void;
  /** Notes that user code throws for an item, and returns the error. */
  refuse(item: Item, error: unknown = this.mistake("refusal")): unknown {
    const come = this.offers.includes(item);
    this.look(come ? 1 : 0);
    if (come) this.withdraw(item);
    item.refused = { error };
    if (item.written) this.first ??= { error };
    return error;
  }

  /** The `weigh` of the sink, if the waiting weight is bounded. */
  weigh(item: Item): number {
    const { weight } = item.plan;
    this.must(!item.weighed, "weighed twice");
    item.weighed = true;
    if (weight > this.#capacityWeight) this.refuse(item, HEAVY);
    return weight;
  }

  /** Runs the action of a handler on its own sink. */
  protected abstract act(act: Plan["act"]): void;

  /** A unique error. It isn't an `Error`, which would cost more than the tested code. */
  protected mistake(what: string): { readonly error: string } {
    return { error: `${what} ${++this.#errors}` };
  }

  /** The handler. */
  handle(items: readonly Item[], context: SinkContext): unknown {
    this.#starting = items;
    this.look();
    this.#starting = [];
    this.must(items.length > 0, "an empty batch");
    this.must(!this.first, "a handler starts after the end");
    this.must(items.every(({ job }) => !job), "a handler starts twice");
    this.must(this.mayStart, "too many start");
    this.#starts.push(this.clock.now);
    const { keyed, timed, leaves } = this.setup;
    const key = keyed ? items[0]?.plan.key : undefined;
    const busy = this.jobs.filter((job) => this.keeps(job, false));
    this.must(busy.length < this.concurrency, "too many run");
    this.must(!keyed || busy.every((job) => job.key !== key), "two of one key run");
    const [{ again }] = items as [Item];
    if (again) this.#goAgain(again, items);
    else this.must(!this.#goesFirst, "before a retry");
    this.must(!keyed || !this.delayedKeys().has(key), "before one of its key that goes again");
    this.must(!items.some((item) => this.isLate(item)), "starts too late");
    // A batch that was not due before is due now.
    const since = this.#waitsSince(items[0]!) ?? this.clock.now;
    const waited = this.setup.maxWait === undefined ? undefined : this.clock.now - since;
    this.must(context.waited === waited, "waited otherwise");
    const attempt = (again?.attempts ?? 0) + 1;
    this.must(context.attempt === attempt, "a wrong attempt");
    // An item of this key starts, so `onError` of the one before has ended.
    if (keyed) { for (const job of this.jobs) if (job.key === key) job.held = "no"; }
    if (!again) this.checkStart(items);

    const { ends, act } = items[0]!.plan;
    const signal = timed || leaves || act !== "nothing" ? context.signal : undefined;
    const startedAt = this.clock.now;
    if (signal) {
      const others = this.jobs.every((job) => job.signal !== signal);
      this.must(others && !signal.aborted, "a signal of another call");
    }
    const job: Job = {
      ...{ items: [...items], key, startedAt, signal, attempt },
      ...{ over: false, held: "no", overruns: false },
    };
    this.jobs.push(job);
    for (const item of items) item.job = job;
    this.lineUp(key);
    this.act(act);
    if (ends !== "by hand") {
      const outcome = this.outcome(items, ends === "throws" ? "fails" : "done");
      this.#over(job, outcome);
      if (outcome.failed) throw outcome.value;
      return outcome.value;
    }
    const { promise, resolve, reject } = gate<unknown>();
    job.settle = (end) => {
      job.settle = undefined;
      const { failed, value } = end === "gives up"
        ? { failed: true, value: this.#reasonOf(job) }
        : this.outcome(job.items, end);
      (failed ? reject : resolve)(value);
    };
    // Called just before the sink's own reaction.
    promise.then((value) => this.#settled(job, { failed: false, value }), (value) => {
      this.#settled(job, { failed: true, value });
    });
    if (timed) signal!.addEventListener("abort", () => this.#aborted(job));
    return promise;
  }

  /** The reason for which a handler gives up: the end, its caller, or its own. */
  #reasonOf({ items }: Job): unknown {
    const left = items.find(({ left }) => left)?.left;
    return this.first ? this.first.error : left ? left.reason : this.mistake("gives up");
  }

  /** Called at the abort of its signal: a timeout, unless the sink has ended. */
  #aborted(job: Job): void {
    const { reason } = job.signal!;
    const left = job.items.some(({ left }) => left?.reason === reason);
    if (job.over || left || this.first?.error === reason) return;
    this.must(this.clock.now - job.startedAt >= TIMEOUT, "a wrong timeout");
    this.must((reason as Error).name === "TimeoutError", "not a timeout");
    job.overruns = true;
    this.#over(job, { failed: true, value: reason });
  }

  /** Called when the handler settles, perhaps after its timeout. */
  #settled(job: Job, outcome: Verdict): void {
    if (!job.overruns) return this.#over(job, outcome);
    job.overruns = false;
    if (job.again && this.setup.holds) this.#wait(job.again);
    this.rest();
  }

  /** Whether the rate lets a handler start now. */
  protected get mayStart(): boolean {
    const { rate } = this.setup;
    if (!rate) return true;
    const last = this.#starts.at(-rate.limit);
    return this.#starts.length < rate.limit || this.clock.now - last! >= rate.interval;
  }

  /** Whether a retry's delay is over, and was over at a quiet moment. */
  protected isReady({ since, due }: Again): boolean {
    return since !== undefined && since < this.#quietAt && due <= this.#quietAt;
  }

  /** The retries that are not late. */
  get #inTime(): Again[] {
    return [...this.agains].filter(({ items }) => !this.isLate(items[0]!));
  }

  /** Whether a retry goes before everything else, and could start now. */
  get #goesFirst(): boolean {
    return this.#inTime.some((each) => this.isReady(each));
  }

  /** The same with "perhaps". */
  protected get goesAgain(): "no" | "perhaps" | "yes" {
    if (this.#goesFirst) return "yes";
    return this.#inTime.some(({ due }) => due <= this.clock.now) ? "perhaps" : "no";
  }

  /** The keys of retries. */
  protected delayedKeys(): Set<unknown> {
    const keys = new Set<unknown>();
    if (this.setup.keyed) { for (const { items } of this.#inTime) keys.add(items[0]!.plan.key); }
    return keys;
  }

  /** Starts the delay of a retry. */
  #wait(again: Again): void {
    again.since = this.clock.now;
    again.due = this.clock.now + this.setup.retry!;
  }

  #goAgain(again: Again, items: readonly Item[]): void {
    const same = items.length === again.items.length;
    this.must(same && items.every((item, n) => item === again.items[n]), "others go again");
    this.must(this.clock.now >= again.due, "again too early");
    for (const each of this.#inTime) {
      this.must(!this.isReady(each) || each.due >= again.due, "a retry was skipped");
    }
    this.agains.delete(again);
  }

  /** The `retry` of the sink. */
  again(error: unknown, attempt: number, items: readonly Item[]): number | undefined {
    this.look();
    const known = error instanceof TypeError ? MISSING : error;
    const job = this.jobs.find(({ asked }) => asked?.get(known)?.includes(items[0]!));
    const asked = job?.asked?.get(known);
    const same = asked?.length === items.length && items.every((item, n) => item === asked[n]);
    this.must(same, "a wrong retry");
    this.must(job?.attempt === attempt, "retry got a wrong attempt");
    job?.asked?.delete(known);
    return attempt < ATTEMPTS ? this.setup.retry : undefined;
  }

  /** Adds an item, which waits for room until it is accepted. */
  protected bring(item: Item): void {
    item.kept = !this.keyFits(item);
    item.crowded = this.next !== undefined || !this.fits(item);
    this.#stand(item);
  }

  /** Removes an item that was not accepted. */
  protected withdraw(item: Item): void {
    this.offers.splice(this.offers.indexOf(item), 1);
    item.kept = false;
    this.lineUp(item.plan.key);
  }

  #stand(item: Item): void {
    const behind = item.kept
      ? -1
      : this.offers.findIndex((other) => other.kept || this.isComing(other));
    this.offers.splice(behind < 0 ? this.offers.length : behind, 0, item);
  }

  /** Puts kept-out items of a key in line, as far as there is room. */
  protected lineUp(key: unknown): void {
    if (this.setup.keyCapacity === undefined) return;
    for (const item of this.offers.filter(({ kept, plan }) => kept && plan.key === key)) {
      if (!this.keyFits(item)) return;
      this.offers.splice(this.offers.indexOf(item), 1);
      item.kept = false;
      this.#stand(item);
    }
  }

  /** Whether a key has room. Items in line already have theirs. */
  protected keyFits({ plan: { key } }: Item): boolean {
    const { keyCapacity } = this.setup;
    return keyCapacity === undefined ||
      this.ofKey(key).filter(({ kept }) => !kept).length < keyCapacity;
  }

  /** The waiting items of a key, accepted or not. */
  protected ofKey(key: unknown): Item[] {
    return this.offers.filter(({ plan, job, end }) => plan.key === key && !job && !end);
  }

  /** Whether there is room for an item, if `shed` after late items are gone. */
  protected fits({ plan }: Item, shed = false): boolean {
    const waiting = shed ? this.inTime : this.stats.waiting;
    return waiting < this.capacity && this.#weight(shed) + plan.weight <= this.#capacityWeight;
  }

  /** Whether retries make more items wait than allowed. */
  protected over(shed = false): boolean {
    const waiting = shed ? this.inTime : this.stats.waiting;
    return waiting > this.capacity || this.#weight(shed) > this.#capacityWeight;
  }

  /** Whether the weight prevents any item, or the first in line, from coming in. */
  protected get heavy(): boolean {
    const weight = this.#weight();
    const { next } = this;
    return next ? weight + next.plan.weight > this.#capacityWeight : weight >= this.#capacityWeight;
  }

  #weight(shed = false): number {
    if (this.#capacityWeight === Infinity) return 0;
    return sum(this.#waiting().filter((item) => !shed || !this.isLate(item)));
  }

  get #capacityWeight(): number {
    return this.setup.capacityWeight ?? Infinity;
  }

  /** The waiting items in the sink. */
  #waiting(accepted = this.stats.accepted): Item[] {
    return this.offers.slice(0, accepted).filter(({ job, end }) => !job && !end);
  }

  /** Checks the bounds. A retry is never refused. */
  #checkBounds(accepted: number): void {
    const { keyCapacity = Infinity, retry } = this.setup;
    const again = retry === undefined ? 0 : this.ever * this.atOnce;
    this.must(this.stats.waiting <= this.capacity + again, "too many wait");
    if (keyCapacity === Infinity && this.#capacityWeight === Infinity) return;
    const waiting = this.#waiting(accepted).filter((item) => !this.#starting.includes(item));
    this.must(sum(waiting) <= this.#capacityWeight + again * HEAVIEST, "too heavy");
    const most = keyCapacity + Math.min(again, this.atOnce);
    for (const { plan: { key } } of waiting) {
      const { length } = waiting.filter(({ plan }) => plan.key === key);
      this.must(length <= most, "too many of a key wait");
    }
  }

  /** Whether the call that brings an item has not reached the sink yet. */
  protected isComing(item: Item): boolean {
    return item.arriving === true && this.offers.indexOf(item) >= this.stats.accepted;
  }

  /** The first in line. */
  protected get next(): Item | undefined {
    const item = this.offers[this.stats.accepted];
    return item?.kept || item?.arriving ? undefined : item;
  }

  /** Checks for an idle sink; `leaving` waiting items are about to leave. */
  protected rest(leaving = 0): void {
    // Late items go when a handler ends.
    const { maxWait } = this.setup;
    const all = maxWait === undefined ? this.stats.waiting + this.agains.size : this.inTime;
    if (this.jobs.every(({ over }) => over) && all - leaving === 0 && !this.#held) {
      this.idled++;
    }
  }

  /** Whether a handler that runs on holds its slot. */
  get #held(): boolean {
    return this.setup.holds && this.jobs.some(({ overruns }) => overruns);
  }

  /** Whether no handler runs or is about to run. */
  get resting(): boolean {
    const { waiting, running } = this.stats;
    return waiting + running === 0 && !this.#held;
  }

  /** Whether a job has its slot and its key, or may have them if `perhaps`. */
  protected keeps({ over, held, overruns }: Job, perhaps = true): boolean {
    return !over || held === "yes" || (perhaps && held === "perhaps") ||
      (overruns && this.setup.holds);
  }

  get #slots(): number {
    return this.jobs.filter((job) => this.keeps(job, false)).length;
  }

  protected setConcurrency(value: number): void {
    this.concurrency = value;
    this.#most = Math.max(this.#most, value);
    this.ever = Math.max(this.ever, value);
  }

  /** Counts the slots at a quiet moment. */
  protected countSlots(): void {
    this.#most = Math.max(this.concurrency, this.#slots);
  }

  /** Called when the sink is about to react to a handler's end. */
  #over(job: Job, outcome: Verdict): void {
    if (job.over) return;
    this.look();
    job.over = true;
    const untold = job.untold = new Map<unknown, Item[]>();
    const asked = job.asked = new Map<unknown, Item[]>();
    const { retry } = this.setup;
    const again: Item[] = [];
    for (const [place, item] of job.items.entries()) {
      const verdict = this.verdict(job, place, outcome);
      const { failed, value } = verdict;
      const { left } = item;
      if (failed && !this.first && !left && retry !== undefined) {
        asked.set(value, [...asked.get(value) ?? [], item]);
        if (job.attempt < ATTEMPTS) {
          again.push(item);
          continue;
        }
      }
      // The handler ends with the reason of its caller, which has left.
      if (failed && left?.reason === value) {
        item.end = "discarded";
        continue;
      }
      const echo = failed && value === this.first?.error;
      item.end = echo ? "discarded" : failed ? "failed" : "done";
      if (!this.first) item.told = verdict;
      if (echo) (job.given ??= []).push(item);
      // After an end, callers of submit get only the reason of the end.
      else if (failed && (!item.submitted || left || this.first)) {
        untold.set(value, [...untold.get(value) ?? [], item]);
      }
    }
    if (again.length > 0) this.#fail(job, again);
    this.rest();
    if (this.setup.onError !== "absent") return;
    // Nothing reports an item whose caller has left.
    for (const [error, items] of untold) {
      if (items.some(({ left }) => !left)) this.first ??= { error };
    }
  }

  /** Notes that the failed items of a job wait for a retry. */
  #fail(job: Job, items: readonly Item[]): void {
    const again: Again = job.again = { items, attempts: job.attempt, due: Infinity };
    if (!job.overruns || !this.setup.holds) this.#wait(again);
    this.agains.add(again);
    this.#retried += items.length;
    for (const item of items) {
      item.job = undefined;
      item.again = again;
    }
  }

  /** The `onError` of the sink. */
  failed(error: unknown, items: readonly Item[]): unknown {
    this.look();
    const job = items[0]?.job;
    const known = error instanceof TypeError ? MISSING : error;
    const untold = job?.untold?.get(known);
    const same = untold?.length === items.length && items.every((item, n) => item === untold[n]);
    this.must(same, "a wrong onError");
    job?.untold?.delete(known);
    const own = this.mistake("onError");
    const { onError } = this.setup;
    if (onError === "throws") {
      this.first ??= { error: own };
      throw own;
    }
    if (onError === "sync") return;
    job!.held = "yes";
    const { promise, resolve, reject } = gate();
    // Called just before the sink's own reaction.
    promise.then(() => job!.held = "perhaps", () => {
      this.look();
      job!.held = "perhaps";
      this.first ??= { error: own };
    });
    queueMicrotask(() => onError === "rejects" ? reject(own) : resolve());
    return promise;
  }

  /** The time since when an item waits for this start, if it does. */
  #waitsSince({ job, end, again, batch, acceptedAt }: Item): number | undefined {
    if (job || end) return undefined;
    return again ? again.readyAt : this.alone ? acceptedAt : batch?.dueAt;
  }

  /** Whether an item waits and is late. */
  protected isLate(item: Item): boolean {
    const { maxWait } = this.setup;
    if (maxWait === undefined) return false;
    return this.clock.now - (this.#waitsSince(item) ?? Infinity) > maxWait;
  }

  /** The number of waiting items that are not late. */
  protected get inTime(): number {
    if (this.setup.maxWait === undefined) return this.stats.waiting;
    const accepted = this.offers.slice(0, this.stats.accepted);
    return accepted.filter((item) => !item.job && !item.end && !this.isLate(item)).length;
  }

  /** Discards all late items at once; the counts show when. */
  #shed(discarded: number): void {
    if (this.setup.maxWait === undefined || this.first) return;
    const known = this.offers.filter(({ end }) => end === "discarded").length;
    if (discarded <= known) return;
    const late = this.#waiting().filter((item) => this.isLate(item));
    this.must(known + late.length >= discarded, "shed too early");
    for (const item of late) {
      if (!item.submitted) this.#untold.add(item);
      item.end = "discarded";
      item.told = { failed: true, value: LATE };
      if (item.again) this.agains.delete(item.again);
    }
    this.rest();
  }

  protected discard(items: readonly Item[], reason: unknown): void {
    // A lost item is counted. It was not offered, or it waits for room.
    this.look(this.offers.includes(items[0]!) ? 0 : -items.length);
    const job = items[0]?.job;
    if (isTimeout(reason) && reason !== this.first?.error) {
      for (const item of items) this.must(this.#untold.delete(item), "a wrong shedding");
      return;
    }
    if (job) {
      const { given } = job;
      const same = given?.length === items.length && items.every((item, n) => item === given[n]);
      this.must(same && reason === this.first?.error, "a wrong onDiscard");
      job.given = undefined;
      return;
    }
    const accepted = this.offers.slice(0, this.stats.accepted);
    const waiting = accepted.filter(({ job, end }) => !job && !end);
    const late = this.#discarded > 0 || !waiting.includes(items[0]!);
    if (this.setup.front === "consume" && late) return this.#lose(items, reason);
    this.must(this.#discarded === 0, "discarded twice");
    this.must(reason === this.first?.error, "discarded with a wrong reason");
    this.must(items.length === waiting.length, "not all discarded");
    this.must(waiting.every((item) => items.includes(item)), "others discarded");
    const byKey = new Map<unknown, Item>();
    for (const item of items) {
      const key = this.setup.keyed ? item.plan.key : undefined;
      const before = byKey.get(key);
      // Failed items come first, in the order of their failures.
      if (item.again) this.must(!before || before.again !== undefined, "not in order");
      else if (before && !before.again) {
        this.must(waiting.indexOf(before) < waiting.indexOf(item), "not in order");
      }
      byKey.set(key, item);
      item.end = "discarded";
    }
    this.#discarded += items.length;
    this.agains.clear();
  }

  /**
   * Notes items of a source that did not come in before an end: one item, or the rest of a page.
   */
  #lose(items: readonly Item[], reason: unknown): void {
    // The reason of an end that comes after a close in the same turn, or of the close.
    const refusal = this.first?.error === reason || this.stopped.has(reason) ||
      (this.closing && reason instanceof TypeError);
    this.must(refusal && items.every(({ job, end }) => !job && !end), "a wrong loss");
    for (const item of items) if (this.offers.includes(item)) this.withdraw(item);
    this.offers.splice(this.stats.accepted - items.length, 0, ...items);
    for (const item of items) item.end = "discarded";
  }

  /** Checks at a quiet moment that `retry` was called and obeyed. */
  protected countAgain(): void {
    // A timer that was set since then may not have fired yet.
    this.#quietAt = this.clock.now;
    this.must(this.stats.retried === this.#retried, "retried");
    this.must(this.#untold.size === 0, "onDiscard got no late items");
    this.must(this.jobs.every(({ asked }) => !asked?.size), "retry was not called");
    if (this.first) this.must(this.agains.size === 0, "something still goes again");
    else if (this.#slots < this.concurrency && this.mayStart) {
      this.must(![...this.agains].some((each) => this.isReady(each)), "a worker is idle again");
    }
  }

  /** Checks that hold at every moment, even inside a call. `entering` items are coming in. */
  override look(entering = 0): void {
    const { accepted, waiting, running, done, failed, discarded } = this.stats;
    const { refused, blocked, overrunning } = this.stats;
    const sum = waiting + running + done + failed + discarded;
    this.must(sum === accepted, "not conserved");
    this.must(refused === this.refused, "refused");
    const outside = this.offers.length - accepted - entering;
    // Before an item comes in, late items go.
    const right = blocked === outside || (this.setup.maxWait !== undefined && blocked < outside);
    this.must(this.first !== undefined || right, "blocked");
    for (const again of this.agains) {
      if (again.due <= this.clock.now) again.readyAt ??= this.clock.now;
    }
    this.must(overrunning === this.jobs.filter(({ overruns }) => overruns).length, "overrunning");
    this.must(this.#slots <= this.#most, "too many slots");
    this.#checkBounds(accepted + Math.min(entering, 0));
    // A lost item is not among them yet.
    const end = accepted + Math.min(entering, 0);
    let place = end;
    while (place > 0 && this.offers[place - 1]?.acceptedAt === undefined) place--;
    const shed = discarded + Math.min(entering, 0);
    for (; place < end; place++) {
      const item = this.offers[place];
      if (item?.crowded) this.#shed(shed);
      this.#accepted(item, place);
    }
    this.#shed(shed);
  }

  #accepted(item: Item | undefined, place: number): void {
    if (!item) return;
    item.acceptedAt = this.clock.now;
    this.must(!item.kept || this.first !== undefined, "its key has no room");
    this.onAccept(item, place);
  }
}

/** The weight of items. */
function sum(items: readonly Item[]): number {
  let sum = 0;
  for (const { plan } of items) sum += plan.weight;
  return sum;
}
