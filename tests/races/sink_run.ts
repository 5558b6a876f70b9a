/** What every sink must do, whatever is done to it, in whatever order. */

import type { HandlerContext, Runner, Sink, SinkOptions } from "../../mod.ts";
import type { Clock } from "../support/clock.ts";
import { gate } from "../support/gate.ts";
import { countListeners } from "../support/listeners.ts";
import { Run } from "./race.ts";
import { SinkFront } from "./sink_front.ts";
import { isRefusal, type Moment, Promises } from "./sink_promises.ts";
import type {
  End,
  Item,
  Job,
  Order,
  Plan,
  SinkSetup,
  SinkStep,
  Verdict,
  Way,
} from "./sink_steps.ts";

/** How long a handler may take, where that is limited. */
export const TIMEOUT = 10;

const PATIENCE = 100;
const QUIET: Plan = { key: 0, weight: 2, ends: "by hand", act: "nothing" };

/** What the runs of both sinks give theirs. */
export type Common = Pick<
  SinkOptions<Item, unknown>,
  "concurrency" | "signal" | "timeout" | "onDiscard" | "key" | "context"
>;

/** A sink, and what has become of its items. */
export abstract class SinkRun<S extends SinkSetup> extends Run<SinkStep> implements Moment {
  protected readonly setup: S;
  readonly #own = new AbortController();
  readonly #listeners = countListeners(this.#own.signal);
  readonly #promises = new Promises();
  readonly #front: SinkFront;
  protected readonly sink: Sink<Item>;

  readonly offers: Item[] = [];
  protected readonly jobs: Job[] = [];
  idled = 0;
  first: { readonly error: unknown } | undefined;
  closing = false;
  #discarded = 0;
  #errors = 0;

  constructor(setup: S, clock: Clock, make: (run: SinkRun<S>, options: Common) => Sink<Item>) {
    super(clock);
    this.setup = setup;
    this.sink = make(this, {
      concurrency: setup.concurrency,
      signal: this.#own.signal,
      timeout: setup.timed ? TIMEOUT : Infinity,
      onDiscard: (items, reason) => this.#discard(items, reason),
      ...(setup.keyed && { key: (item: Item) => item.plan.key }),
      ...(setup.front !== "plain" && { context: () => this.#enter() }),
    });
    this.#front = new SinkFront(setup.front, this.sink, (given) => this.consumed(given));
    const { piped } = this.#front;
    if (piped) this.#promises.add("pipe", this, () => piped);
  }

  get stats(): Sink<Item>["stats"] {
    return this.sink.stats;
  }

  get coming(): number {
    return this.#front.coming;
  }

  /** Whether an item would be accepted now. */
  protected abstract hasRoom(item: Item): boolean;
  /** What a handler gives at such an end. */
  protected abstract outcome(items: readonly Item[], end: End): Verdict;
  /** What that means for one of the items. */
  protected abstract verdict(job: Job, place: number, outcome: Verdict): Verdict;
  /** What holds when a handler starts with these. */
  protected abstract checkStart(items: readonly Item[]): void;
  /** What holds at a quiet moment while the sink goes on. */
  protected abstract checkProgress(): void;
  /** How many timers there may be. */
  protected abstract timers(): number;
  /** What holds in the end. */
  protected checkEnd(): void {}
  /** A flush was called. */
  protected flushing(): void {}
  /** A source that is consumed has given all it had. */
  protected consumed(_given: ReadonlySet<Item>): void {}

  do(step: SinkStep): void {
    if (step.do === "settle") {
      // One whose time was up settles after it.
      const open = this.jobs.filter(({ settle }) => settle);
      for (const { nth, end } of step.which) open[nth % open.length]?.settle?.(end);
    } else if ("plans" in step) {
      for (const plan of step.plans) this.#offer(step.do, plan);
    } else this.#order(step.do);
  }

  #offer(way: Way, plan: Plan): void {
    const item: Item = { plan, submitted: way === "submit" };
    if (way === "tryPush") return this.#tryPush(item);
    if (way === "write") {
      const written = this.#front.write(item);
      if (written?.kind === "write") this.#promises.add("write", this, written.call, { item });
      if (written?.kind === "consume") {
        this.#promises.add("consume", this, written.call, { source: written.source });
      }
      if (written) return;
    }
    const kind = way === "submit" ? way : "push";
    if (this.setup.front === "plain") {
      if (!this.first && !this.closing) this.offers.push(item);
    } else this.#front.offering = item;
    this.#promises.add(kind, this, () => this.sink[kind](item), { item });
    this.#front.offering = undefined;
  }

  #tryPush(item: Item): void {
    const open = !this.first && !this.closing;
    const room = this.offers.length === this.stats.accepted && this.hasRoom(item);
    const known = this.setup.front !== "plain";
    if (known) this.#front.offering = item;
    else this.offers.push(item);
    let accepted: boolean | undefined;
    try {
      accepted = this.sink.tryPush(item);
      if (accepted !== room) this.must(false, `tryPush gave ${accepted}, room was ${room}`);
    } catch (error) {
      this.must(!open && isRefusal(error, this), "tryPush threw");
    }
    this.#front.offering = undefined;
    if (!known && !accepted) this.offers.splice(this.offers.indexOf(item), 1);
  }

  #order(order: Order): void {
    const front = this.#front;
    switch (order) {
      case "flush":
      case "idle":
        if (order === "flush") this.flushing();
        return this.#promises.add(order, this, () => this.sink[order]());
      case "end":
        return front.end();
      case "break":
        return front.break({ error: `source ${++this.#errors}` });
      case "close":
        this.closing = true;
        return this.#promises.add(order, this, () => front.close());
      default: {
        const reason = { error: `${order} ${++this.#errors}` };
        if (!this.#promises.closed) this.first ??= { error: reason };
        if (order === "signal" || front.piped) this.#own.abort(reason);
        else this.#promises.add(order, this, () => front.abort(reason));
      }
    }
  }

  /** An item has come to the sink. */
  #enter(): Runner {
    this.look();
    const item = this.#front.enter();
    if (item) this.offers.push(item);
    this.must(item !== undefined, "an item that nobody gave");
    return (run) => run();
  }

  /** The handler. */
  handle(items: readonly Item[], context: HandlerContext): unknown {
    this.look();
    this.must(items.length > 0, "an empty batch");
    this.must(!this.first, "a handler starts after the end");
    this.must(items.every(({ job }) => !job), "a handler starts twice");
    const { keyed, timed, concurrency } = this.setup;
    const lane = keyed ? items[0]?.plan.key : undefined;
    const busy = this.jobs.filter((job) => !job.over || job.held === "yes");
    this.must(busy.length < concurrency, "too many run");
    this.must(!keyed || busy.every((job) => job.lane !== lane), "two of one key run");
    this.checkStart(items);

    const { ends, act } = items[0]!.plan;
    const signal = timed || act !== "nothing" ? context.signal : undefined;
    const startedAt = this.clock.now;
    const job: Job = { items: [...items], lane, startedAt, signal, over: false, held: "no" };
    this.jobs.push(job);
    for (const item of items) item.job = job;
    this.#act(act);
    if (ends !== "by hand") {
      const outcome = this.outcome(items, ends === "throws" ? "fails" : "done");
      this.#over(job, outcome);
      if (outcome.failed) throw outcome.value;
      return outcome.value;
    }
    const { promise, resolve, reject } = gate<unknown>();
    job.settle = (end) => {
      job.settle = undefined;
      const { failed, value } = this.outcome(job.items, end);
      (failed ? reject : resolve)(value);
    };
    // Heard just before the sink hears it.
    promise.then((value) => this.#over(job, { failed: false, value }), (value) => {
      this.#over(job, { failed: true, value });
    });
    if (timed) signal!.addEventListener("abort", () => this.#aborted(job));
    return promise;
  }

  #act(act: Plan["act"]): void {
    if (act === "close" && this.#front.locked) return;
    if (act === "tryPush" || act === "push" || act === "submit") this.#offer(act, QUIET);
    else if (act !== "nothing") this.#order(act === "abort" && this.#front.locked ? "signal" : act);
  }

  /** Its own timeout, unless it is the end of the sink. */
  #aborted(job: Job): void {
    const { reason } = job.signal!;
    if (job.over || this.first?.error === reason) return;
    this.must(this.clock.now - job.startedAt === TIMEOUT, "a wrong timeout");
    this.must((reason as Error).name === "TimeoutError", "not a timeout");
    this.#over(job, { failed: true, value: reason });
  }

  /** The sink is about to hear of a handler's end. */
  #over(job: Job, outcome: Verdict): void {
    if (job.over) return;
    job.over = true;
    job.error = outcome.value;
    for (const [place, item] of job.items.entries()) {
      const verdict = this.verdict(job, place, outcome);
      item.end = verdict.failed ? "failed" : "done";
      if (!this.first) item.told = verdict;
    }
    if (this.jobs.every(({ over }) => over) && this.stats.waiting === 0) this.idled++;
    const told = job.items.every(({ submitted }) => submitted);
    if (outcome.failed && !told && this.setup.onError === "absent") {
      this.first ??= { error: outcome.value };
    }
  }

  /** `onError`. */
  failed(error: unknown, items: readonly Item[]): unknown {
    this.look();
    const job = items[0]?.job;
    const told = items.every(({ submitted }) => submitted);
    this.must(job !== undefined && job.over && error === job.error && !told, "a wrong onError");
    const own = { error: `onError ${++this.#errors}` };
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
      job!.held = "perhaps";
      this.first ??= { error: own };
    });
    queueMicrotask(() => onError === "rejects" ? reject(own) : resolve());
    return promise;
  }

  #discard(items: readonly Item[], reason: unknown): void {
    this.look();
    const waiting = this.offers.slice(0, this.stats.accepted).filter(({ job }) => !job);
    this.must(this.#discarded === 0, "discarded twice");
    this.must(reason === this.first?.error, "discarded with a wrong reason");
    this.must(items.length === waiting.length, "not all discarded");
    this.must(waiting.every((item) => items.includes(item)), "others discarded");
    const lanes = new Map<unknown, Item>();
    for (const item of items) {
      const lane = this.setup.keyed ? item.plan.key : undefined;
      const before = lanes.get(lane);
      if (before) this.must(waiting.indexOf(before) < waiting.indexOf(item), "not in order");
      lanes.set(lane, item);
      item.end = "discarded";
    }
    this.#discarded += items.length;
  }

  /** What holds at every moment, also inside. */
  override look(): void {
    const { accepted, waiting, running, done, failed, discarded } = this.stats;
    const sum = waiting + running + done + failed + discarded;
    this.must(sum === accepted, "not conserved");
    for (let place = accepted - 1; place >= 0; place--) {
      const item = this.offers[place];
      if (!item || item.acceptedAt !== undefined) break;
      item.acceptedAt = this.clock.now;
    }
  }

  protected check(): void {
    this.look();
    const { waiting, running, done, failed, discarded } = this.stats;
    const ends = { done: 0, failed: 0, discarded: 0 };
    for (const { end } of this.offers) if (end) ends[end]++;
    let runs = 0;
    for (const job of this.jobs) {
      job.held = "no";
      if (!job.over) runs += job.items.length;
    }
    if (waiting + running === 0) this.idled++;
    this.must(running === runs, "running");
    this.must(done === ends.done && failed === ends.failed, "done or failed");
    this.must(discarded === ends.discarded, "discarded");
    if (this.first) {
      this.must(waiting === 0, "something still waits");
      this.must(this.#listeners.live === 0, "a listener is left");
      for (const { over, signal } of this.jobs) {
        if (!over && signal) this.must(signal.reason === this.first.error, "a handler is not told");
      }
    } else this.checkProgress();
    if (this.clock.pending > this.timers()) this.must(false, "a timer too many");
    const complaint = this.#promises.complaint(this);
    if (complaint) this.must(false, complaint);
  }

  async finish(): Promise<void> {
    if (!this.#promises.closed) this.#order("close");
    await this.quiet();
    for (let turns = 0; turns < PATIENCE && this.#unfinished; turns++) {
      for (const job of this.jobs) job.settle?.("done");
      await this.quiet();
    }
    const { pending } = this.#promises;
    if (pending.length > 0) this.must(false, `never settled: ${pending}`);
    this.must(this.#listeners.live === 0, "a listener is left");
    const { accepted } = this.stats;
    this.must(this.first !== undefined || accepted === this.offers.length, "lost");
    this.must(this.offers.slice(0, accepted).every(({ end }) => end), "without an end");
    this.checkEnd();
    await this.quiet();
  }

  get #unfinished(): boolean {
    return this.#promises.pending.length > 0 || this.jobs.some(({ settle }) => settle);
  }
}
