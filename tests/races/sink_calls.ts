/** What a sink calls, and what it may not do then: its handler, `onError`, `onDiscard`. */

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

/** How long a handler may take, where that is limited. */
export const TIMEOUT = 10;

/** How often a `retry` lets an item run. */
const ATTEMPTS = 3;

/** The inside of a sink. */
export abstract class SinkCalls<S extends SinkSetup> extends Run<SinkStep> {
  protected readonly setup: S;
  /**
   * In the order of acceptance. The last of them may still wait for room: those who are in line for it,
   * and behind them those who are kept out of the line until there is room of their own key.
   */
  readonly offers: Item[] = [];
  protected readonly jobs: Job[] = [];
  /** How many handlers may start beside each other now, and how many may run. */
  protected concurrency: number;
  #most: number;
  /** The most that it ever was. */
  protected ever: number;
  /** What goes again, in the order of its failures. */
  protected readonly agains: Set<Again> = new Set();
  #retried = 0;
  /** Of which a handler is about to start. */
  #starting: readonly Item[] = [];
  /** When handlers have started. */
  readonly #starts: number[] = [];
  /** Why they were told to stop who consume. */
  protected readonly stopped: Set<unknown> = new Set();
  /** The time at the last quiet moment. */
  #quietAt = 0;
  /** They have waited too long, and `onDiscard` is to be told. */
  readonly #untold = new Set<Item>();
  /** How many were told that there is no room. */
  protected refused = 0;
  /** How often nothing was waiting and nothing running. */
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
  /** Whether each item is handled alone: it goes where its caller does. */
  protected abstract readonly alone: boolean;
  abstract get stats(): SinkStats;
  /** What a handler gives at such an end. */
  protected abstract outcome(items: readonly Item[], end: End): Verdict;
  /** What that means for one of the items. */
  protected abstract verdict(job: Job, place: number, outcome: Verdict): Verdict;
  /** The most items that may wait. */
  protected abstract readonly capacity: number;
  /** The most items that a handler is given. */
  protected abstract readonly atOnce: number;
  /** It is accepted, at this place. */
  protected onAccept(_item: Item, _place: number): void {}
  /** What holds when a handler starts with these. */
  protected abstract checkStart(items: readonly Item[]): void;
  /** User code refuses to take an item in: returns what it throws. */
  refuse(item: Item, error: unknown = this.mistake("refusal")): unknown {
    const come = this.offers.includes(item);
    this.look(come ? 1 : 0);
    if (come) this.withdraw(item);
    item.refused = { error };
    if (item.written) this.first ??= { error };
    return error;
  }

  /** `weigh`, where the weight of what waits is bounded. */
  weigh(item: Item): number {
    const { weight } = item.plan;
    this.must(!item.weighed, "weighed twice");
    item.weighed = true;
    if (weight > this.#capacityWeight) this.refuse(item, HEAVY);
    return weight;
  }

  /** What a handler does to its own sink. */
  protected abstract act(act: Plan["act"]): void;

  /** An error that is like no other; not an `Error`, which costs more than what is tested. */
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
    else this.must(!this.#goesFirst, "before what goes again");
    this.must(!keyed || !this.delayedKeys().has(key), "before one of its key that goes again");
    this.must(!items.some((item) => this.isLate(item)), "starts too late");
    // A batch that was due for nothing else is that now.
    const since = this.#waitsSince(items[0]!) ?? this.clock.now;
    const waited = this.setup.maxWait === undefined ? undefined : this.clock.now - since;
    this.must(context.waited === waited, "waited otherwise");
    const attempt = (again?.attempts ?? 0) + 1;
    this.must(context.attempt === attempt, "a wrong attempt");
    // One of this key starts: `onError` of the one before it is over.
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
    // Heard just before the sink hears it.
    promise.then((value) => this.#settled(job, { failed: false, value }), (value) => {
      this.#settled(job, { failed: true, value });
    });
    if (timed) signal!.addEventListener("abort", () => this.#aborted(job));
    return promise;
  }

  /** Why it gives up: because of the end, or of its caller, or by itself. */
  #reasonOf({ items }: Job): unknown {
    const left = items.find(({ left }) => left)?.left;
    return this.first ? this.first.error : left ? left.reason : this.mistake("gives up");
  }

  /** Its own timeout, unless it is the end of the sink. */
  #aborted(job: Job): void {
    const { reason } = job.signal!;
    const left = job.items.some(({ left }) => left?.reason === reason);
    if (job.over || left || this.first?.error === reason) return;
    this.must(this.clock.now - job.startedAt >= TIMEOUT, "a wrong timeout");
    this.must((reason as Error).name === "TimeoutError", "not a timeout");
    job.overruns = true;
    this.#over(job, { failed: true, value: reason });
  }

  /** By itself, perhaps after its time was up. */
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

  /** Whether its time is over, and was at a quiet moment. */
  protected isReady({ since, due }: Again): boolean {
    return since !== undefined && since < this.#quietAt && due <= this.#quietAt;
  }

  /** What goes again, and has not waited too long. */
  get #inTime(): Again[] {
    return [...this.agains].filter(({ items }) => !this.isLate(items[0]!));
  }

  /** Whether something goes again before all else, and could start now. */
  get #goesFirst(): boolean {
    return this.#inTime.some((each) => this.isReady(each));
  }

  /** The same, or it may. */
  protected get goesAgain(): "no" | "perhaps" | "yes" {
    if (this.#goesFirst) return "yes";
    return this.#inTime.some(({ due }) => due <= this.clock.now) ? "perhaps" : "no";
  }

  /** The keys of what goes again. */
  protected delayedKeys(): Set<unknown> {
    const keys = new Set<unknown>();
    if (this.setup.keyed) { for (const { items } of this.#inTime) keys.add(items[0]!.plan.key); }
    return keys;
  }

  /** The time until they go again begins. */
  #wait(again: Again): void {
    again.since = this.clock.now;
    again.due = this.clock.now + this.setup.retry!;
  }

  #goAgain(again: Again, items: readonly Item[]): void {
    const same = items.length === again.items.length;
    this.must(same && items.every((item, n) => item === again.items[n]), "others go again");
    this.must(this.clock.now >= again.due, "again too early");
    for (const each of this.#inTime) {
      this.must(!this.isReady(each) || each.due >= again.due, "what goes again was passed over");
    }
    this.agains.delete(again);
  }

  /** `retry`. */
  again(error: unknown, attempt: number, items: readonly Item[]): number | undefined {
    this.look();
    const known = error instanceof TypeError ? MISSING : error;
    const job = this.jobs.find(({ asked }) => asked?.get(known)?.includes(items[0]!));
    const asked = job?.asked?.get(known);
    const same = asked?.length === items.length && items.every((item, n) => item === asked[n]);
    this.must(same, "a wrong retry");
    this.must(job?.attempt === attempt, "retry is told a wrong attempt");
    job?.asked?.delete(known);
    return attempt < ATTEMPTS ? this.setup.retry : undefined;
  }

  /** It has come, and waits for room until it is accepted. */
  protected bring(item: Item): void {
    item.kept = !this.keyFits(item);
    item.crowded = this.next !== undefined || !this.fits(item);
    this.#stand(item);
  }

  /** It has not been accepted, and waits no more. */
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

  /** Less of this key waits: those whom it has kept out get in line, as far as there is room. */
  protected lineUp(key: unknown): void {
    if (this.setup.keyCapacity === undefined) return;
    for (const item of this.offers.filter(({ kept, plan }) => kept && plan.key === key)) {
      if (!this.keyFits(item)) return;
      this.offers.splice(this.offers.indexOf(item), 1);
      item.kept = false;
      this.#stand(item);
    }
  }

  /** Whether there is room of its key: those in line have taken theirs. */
  protected keyFits({ plan: { key } }: Item): boolean {
    const { keyCapacity } = this.setup;
    return keyCapacity === undefined ||
      this.ofKey(key).filter(({ kept }) => !kept).length < keyCapacity;
  }

  /** Those of a key that wait, outside or not. */
  protected ofKey(key: unknown): Item[] {
    return this.offers.filter(({ plan, job, end }) => plan.key === key && !job && !end);
  }

  /** Whether there is room for it, beside what waits; once that has gone which is late, if `shed`. */
  protected fits({ plan }: Item, shed = false): boolean {
    const waiting = shed ? this.inTime : this.stats.waiting;
    return waiting < this.capacity && this.#weight(shed) + plan.weight <= this.#capacityWeight;
  }

  /** Whether more waits than may, since it goes again. */
  protected over(shed = false): boolean {
    const waiting = shed ? this.inTime : this.stats.waiting;
    return waiting > this.capacity || this.#weight(shed) > this.#capacityWeight;
  }

  /** Whether nothing more can come in for its weight, or not the first in line. */
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

  /** What waits in it. */
  #waiting(accepted = this.stats.accepted): Item[] {
    return this.offers.slice(0, accepted).filter(({ job, end }) => !job && !end);
  }

  /** The bounds, at every moment. What goes again is never refused. */
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

  /** Whether the call that brings it has not got so far. */
  protected isComing(item: Item): boolean {
    return item.arriving === true && this.offers.indexOf(item) >= this.stats.accepted;
  }

  /** The first in line. */
  protected get next(): Item | undefined {
    const item = this.offers[this.stats.accepted];
    return item?.kept || item?.arriving ? undefined : item;
  }

  /** So many of those that wait are about to be taken out. */
  protected rest(leaving = 0): void {
    // What has waited too long goes when a handler is over.
    const { maxWait } = this.setup;
    const all = maxWait === undefined ? this.stats.waiting + this.agains.size : this.inTime;
    if (this.jobs.every(({ over }) => over) && all - leaving === 0 && !this.#held) {
      this.idled++;
    }
  }

  /** Whether the slot of a handler that runs on is kept. */
  get #held(): boolean {
    return this.setup.holds && this.jobs.some(({ overruns }) => overruns);
  }

  /** Whether no handler runs, and none is to. */
  get resting(): boolean {
    const { waiting, running } = this.stats;
    return waiting + running === 0 && !this.#held;
  }

  /** Whether it has its slot and its key, or `perhaps` has. */
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

  /** At a quiet moment: no more run now than may, or than do. */
  protected countSlots(): void {
    this.#most = Math.max(this.concurrency, this.#slots);
  }

  /** The sink is about to hear of a handler's end. */
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
      // As its caller has told it to, when he left.
      if (failed && left?.reason === value) {
        item.end = "discarded";
        continue;
      }
      const echo = failed && value === this.first?.error;
      item.end = echo ? "discarded" : failed ? "failed" : "done";
      if (!this.first) item.told = verdict;
      if (echo) (job.given ??= []).push(item);
      // At the end those who submitted were told of that.
      else if (failed && (!item.submitted || left || this.first)) {
        untold.set(value, [...untold.get(value) ?? [], item]);
      }
    }
    if (again.length > 0) this.#fail(job, again);
    this.rest();
    if (this.setup.onError !== "absent") return;
    // Of who has left nobody need hear.
    for (const [error, items] of untold) {
      if (items.some(({ left }) => !left)) this.first ??= { error };
    }
  }

  /** What has failed of the job waits again. */
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

  /** `onError`. */
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
    // Heard just before the sink hears it.
    promise.then(() => job!.held = "perhaps", () => {
      this.look();
      job!.held = "perhaps";
      this.first ??= { error: own };
    });
    queueMicrotask(() => onError === "rejects" ? reject(own) : resolve());
    return promise;
  }

  /** Since when it waits for this start, if it does. */
  #waitsSince({ job, end, again, batch, acceptedAt }: Item): number | undefined {
    if (job || end) return undefined;
    return again ? again.readyAt : this.alone ? acceptedAt : batch?.dueAt;
  }

  /** Whether it waits, and has waited too long. */
  protected isLate(item: Item): boolean {
    const { maxWait } = this.setup;
    if (maxWait === undefined) return false;
    return this.clock.now - (this.#waitsSince(item) ?? Infinity) > maxWait;
  }

  /** How many would wait if nothing had waited too long. */
  protected get inTime(): number {
    if (this.setup.maxWait === undefined) return this.stats.waiting;
    const accepted = this.offers.slice(0, this.stats.accepted);
    return accepted.filter((item) => !item.job && !item.end && !this.isLate(item)).length;
  }

  /** All that has waited too long is given up in one go: the counts show when. */
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
    // What was lost is counted, and was not offered, or is the one that waits for room.
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
      // What has failed comes first, in the order of its failures.
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

  /** A source has given them, and they could not be brought in at an end: one, or the rest of a page. */
  #lose(items: readonly Item[], reason: unknown): void {
    // Of an end that comes after a close in the same turn, or of the close.
    const refusal = this.first?.error === reason || this.stopped.has(reason) ||
      (this.closing && reason instanceof TypeError);
    this.must(refusal && items.every(({ job, end }) => !job && !end), "a wrong loss");
    for (const item of items) if (this.offers.includes(item)) this.withdraw(item);
    this.offers.splice(this.stats.accepted - items.length, 0, ...items);
    for (const item of items) item.end = "discarded";
  }

  /** At a quiet moment: `retry` was asked, and what it says is done. */
  protected countAgain(): void {
    // A timer that was set since then may not have fired.
    this.#quietAt = this.clock.now;
    this.must(this.stats.retried === this.#retried, "retried");
    this.must(this.#untold.size === 0, "nobody is told of what has waited too long");
    this.must(this.jobs.every(({ asked }) => !asked?.size), "retry is not asked");
    if (this.first) this.must(this.agains.size === 0, "something still goes again");
    else if (this.#slots < this.concurrency && this.mayStart) {
      this.must(![...this.agains].some((each) => this.isReady(each)), "a worker is idle again");
    }
  }

  /** What holds at every moment, also inside. So many items are on their way in. */
  override look(entering = 0): void {
    const { accepted, waiting, running, done, failed, discarded } = this.stats;
    const { refused, blocked, overrunning } = this.stats;
    const sum = waiting + running + done + failed + discarded;
    this.must(sum === accepted, "not conserved");
    this.must(refused === this.refused, "refused");
    const outside = this.offers.length - accepted - entering;
    // Before an item comes in what has waited too long goes.
    const right = blocked === outside || (this.setup.maxWait !== undefined && blocked < outside);
    this.must(this.first !== undefined || right, "blocked");
    for (const again of this.agains) {
      if (again.due <= this.clock.now) again.readyAt ??= this.clock.now;
    }
    this.must(overrunning === this.jobs.filter(({ overruns }) => overruns).length, "overrunning");
    this.must(this.#slots <= this.#most, "too many slots");
    this.#checkBounds(accepted + Math.min(entering, 0));
    // One that was lost is not among them yet.
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

/** What they weigh. */
function sum(items: readonly Item[]): number {
  let sum = 0;
  for (const { plan } of items) sum += plan.weight;
  return sum;
}
