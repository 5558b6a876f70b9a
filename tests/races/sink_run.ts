/** Models what every sink must do, for any steps in any order. */

import { RateLimit, type Runner, type Sink, type SinkOptions } from "../../mod.ts";
import type { Clock } from "../support/clock.ts";
import { countListeners } from "../support/listeners.ts";
import type { Advance } from "./race.ts";
import { SinkCalls, TIMEOUT } from "./sink_calls.ts";
import { SinkFront } from "./sink_front.ts";
import { isRefusal, isSame, type Moment, Promises } from "./sink_promises.ts";
import type { Item, Order, Plan, SinkSetup, SinkStep, Way } from "./sink_steps.ts";

const PATIENCE = 100;
const QUIET: Plan = { key: 0, weight: 2, ends: "by hand", act: "nothing" };

/** The arguments of a run, for both sinks. */
export type Common =
  & Pick<
    SinkOptions<Item>,
    | "concurrency"
    | "signal"
    | "timeout"
    | "overrun"
    | "maxWait"
    | "keyCapacity"
    | "capacityWeight"
    | "rate"
    | "onDiscard"
    | "key"
    | "snapshot"
  >
  & { weigh?: (item: Item) => number };

/** A sink and the state of its items. */
export abstract class SinkRun<S extends SinkSetup> extends SinkCalls<S> implements Moment {
  readonly #own = new AbortController();
  readonly #listeners = countListeners(this.#own.signal);
  readonly #promises = new Promises();
  readonly #front: SinkFront;
  protected readonly sink: Sink<Item>;
  readonly #rate: RateLimit | undefined;
  closing = false;
  /** How often handlers have acted on their sink. */
  #acts = 0;
  #closes = 0;

  constructor(setup: S, clock: Clock, make: (run: SinkRun<S>, options: Common) => Sink<Item>) {
    super(setup, clock);
    if (setup.rate) this.#rate = new RateLimit(setup.rate);
    this.sink = make(this, {
      concurrency: setup.concurrency,
      signal: this.#own.signal,
      timeout: setup.timed ? TIMEOUT : Infinity,
      overrun: setup.holds ? "hold" : "release",
      maxWait: setup.maxWait,
      keyCapacity: setup.keyCapacity,
      rate: this.#rate,
      onDiscard: (items, reason) => this.discard(items, reason),
      ...(setup.capacityWeight !== undefined && {
        capacityWeight: setup.capacityWeight,
        weigh: (item: Item) => this.weigh(item),
      }),
      ...(setup.keyed && { key: (item: Item) => item.plan.key }),
      ...(setup.front !== "plain" && { snapshot: () => this.#enter() }),
    });
    this.#front = new SinkFront(setup.front, this.sink, (given) => this.consumed(given));
    const { piped } = this.#front;
    if (piped) this.#promises.add("pipe", this, () => piped);
    // Without this, a failure could stay unhandled.
    const handled = this.#front.locked || ["sync", "async"].includes(setup.onError);
    if (!handled) this.#promises.add("closed", this, () => this.sink.closed);
  }

  get stats(): Sink<Item>["stats"] {
    return this.sink.stats;
  }

  /** Whether the rate needs a timer for the next start. */
  protected get awaitsRate(): boolean {
    return this.#rate !== undefined && this.#rate.stats.waiting > 0;
  }

  get coming(): number {
    return this.#front.coming;
  }

  /** Whether an item would be accepted now. */
  protected abstract hasRoom(item: Item): boolean;
  /** Checks at a quiet moment while the sink is open. */
  protected abstract checkProgress(): void;
  /** The number of timers that may exist. */
  protected abstract timers(): number;
  /** Checks after the end. */
  protected checkEnd(): void {}
  /** A flush was called. */
  protected flushing(): void {}
  /** A consumed source has ended. */
  protected consumed(_given: ReadonlySet<Item>): void {}

  do(step: SinkStep): void {
    if (step.do === "settle") {
      // A handler settles after its timeout.
      const open = this.jobs.filter(({ settle }) => settle);
      for (const { nth, end } of step.which) open[nth % open.length]?.settle?.(end);
    } else if ("plans" in step) {
      if (this.inTime < this.stats.waiting) this.rest();
      for (const plan of step.plans) this.#offer(step.do, plan);
    } else if (step.do === "concurrency") this.#widen(step.to);
    else if (step.do === "leave") this.#leave(step.nth);
    else this.#order(step.do);
  }

  override can(step: SinkStep | Advance): boolean {
    if (step.do === "close") return this.#closes < (this.#front.locked ? 1 : 2);
    if (step.do === "concurrency") return step.to !== this.concurrency;
    if (step.do === "leave") return step.nth < this.#callers.length;
    if (step.do !== "settle") return super.can(step);
    const open = this.jobs.filter(({ settle }) => settle).length;
    return step.which.every(({ nth }) => nth < open);
  }

  /** Handlers that run after the end may still give up their items. */
  override get ended(): boolean {
    return (this.first !== undefined || this.#promises.closed) &&
      this.jobs.every(({ settle }) => !settle);
  }

  #offer(way: Way, plan: Plan): void {
    this.look();
    const item: Item = { plan, submitted: way === "submit" || way === "trySubmit" };
    if (way === "tryPush" || way === "trySubmit") return this.#try(way, item);
    if (way === "write") {
      item.written = true;
      const written = this.#front.write(item, this.setup.leaves);
      if (!written) item.written = false;
      if (written?.kind === "write") this.#promises.add("write", this, written.call, { item });
      if (written?.kind === "consume") {
        this.#promises.add("consume", this, written.call, { source: written.source });
      }
      if (written) return;
    }
    const kind = way === "submit" ? way : "push";
    const outer = this.#front.offering;
    item.arriving = this.setup.maxWait !== undefined;
    if (this.setup.front === "plain") {
      if (!this.first && !this.closing) this.bring(item);
    } else this.#front.offering = item;
    const caller = this.setup.leaves ? new AbortController() : undefined;
    const { closing } = this;
    this.#promises.add(kind, this, () => this.sink[kind](item, caller), { item });
    this.#front.offering = outer;
    // A handler that started before the item came in has closed the sink.
    if (this.closing !== closing && this.isComing(item)) this.withdraw(item);
    item.arriving = false;
    this.look();
    if (caller) item.caller = caller;
  }

  #try(way: "tryPush" | "trySubmit", item: Item): void {
    const open = !this.first && !this.closing;
    const outside = this.next !== undefined;
    const late = this.inTime < this.stats.waiting;
    const room = !outside && this.keyFits(item) && this.hasRoom(item);
    const known = this.setup.front !== "plain";
    const outer = this.#front.offering;
    item.arriving = this.setup.maxWait !== undefined;
    if (known) this.#front.offering = item;
    else this.bring(item);
    const acts = this.#acts;
    // A slot that `onError` has held may be free by now, and the timer of a retry may have fired.
    const perhaps = this.jobs.some(({ held }) => held === "perhaps") ||
      this.goesAgain === "perhaps";
    try {
      const caller = this.setup.leaves ? new AbortController() : undefined;
      const given = way === "tryPush" ? this.sink.tryPush(item) : this.sink.trySubmit(item, caller);
      const accepted = given !== false && given !== undefined;
      if (!accepted) this.refused++;
      const told = given instanceof Promise && (!open || item.refused);
      // Callers that wait for room come in before it, in the place of late items.
      const may = perhaps || (late && (outside || this.#acts > acts));
      if (!accepted) this.must(this.stats.waiting === this.inTime, "refused before late items");
      if (accepted !== room && !told && !may) {
        this.must(false, `${way} gave ${given}, room was ${room}`);
      }
      if (given instanceof Promise) {
        this.#promises.add("submit", this, () => given, { item });
      }
      if (given instanceof Promise && caller) item.caller = caller;
    } catch (error) {
      const told = item.refused
        ? isSame(error, item.refused.error) && (room || item.weighed === true)
        : isRefusal(error, this);
      // A caller that comes in before it may end the sink.
      const ended = late && (this.first !== undefined || this.closing);
      const may = way === "tryPush" && told && (!open || item.refused !== undefined || ended);
      this.must(may, `${way} threw`);
    }
    this.#front.offering = outer;
    const place = this.offers.indexOf(item);
    if (!known && place >= this.stats.accepted) this.withdraw(item);
    item.arriving = false;
    this.look();
  }

  #order(order: Order): void {
    const front = this.#front;
    switch (order) {
      case "flush":
      case "idle":
        if (order === "flush") this.flushing();
        return this.#promises.add(order, this, () => this.sink[order](), {
          covered: this.offers.filter((item) => !this.isComing(item)),
        });
      case "end":
        return front.end();
      case "break":
        return front.break(this.mistake("source"));
      case "stop":
        return this.#stop(this.mistake(order));
      case "close":
        this.closing = true;
        return this.#promises.add(
          front.locked ? "writer close" : "close",
          this,
          () => front.close(),
        );
      default: {
        const reason = this.mistake(order);
        if (!this.#promises.closed && !this.#drained) this.first ??= { error: reason };
        if (order === "signal" || front.piped) this.#own.abort(reason);
        else {
          const kind = front.locked ? "writer abort" : "abort";
          this.#promises.add(kind, this, () => front.abort(reason));
        }
      }
    }
  }

  /** Whether a close that has not resolved yet has nothing to wait for. */
  get #drained(): boolean {
    const { accepted, waiting, running } = this.stats;
    const rest = waiting + running + this.coming + this.offers.length - accepted;
    return this.closing && rest === 0 && !this.#front.piped;
  }

  /** An item has reached the sink. */
  #enter(): Runner {
    this.look();
    const item = this.#front.enter();
    if (item) this.bring(item);
    this.must(item !== undefined, "an unknown item");
    return (run) => run();
  }

  /** The items whose callers wait and may leave. */
  get #callers(): Item[] {
    if (this.first) return [];
    const { accepted } = this.stats;
    return this.offers.filter(({ caller, submitted, left, end }, place) =>
      caller && !left && !end && (submitted || place >= accepted)
    );
  }

  #leave(nth: number): void {
    const callers = this.#callers;
    const item = callers[nth % callers.length];
    if (!item) return;
    const { reason } = item.left = { reason: this.mistake("leave") };
    const place = this.offers.indexOf(item);
    const { job, again } = item;
    if (place >= this.stats.accepted) this.withdraw(item);
    else if (!job && this.alone) {
      item.end = "discarded";
      if (again) this.agains.delete(again);
      this.lineUp(item.plan.key);
      this.rest(1);
    }
    item.caller!.abort(reason);
    if (job && this.alone && job.signal?.reason !== reason) {
      this.must(false, "the signal of the handler is not aborted");
    }
  }

  /** Accepted items of a source stay; an item that waits for room leaves. */
  #stop(reason: unknown): void {
    this.stopped.add(reason);
    this.#front.stop(reason, (given) => {
      if (this.first) return;
      const outside = this.offers.find((item, place) =>
        place >= this.stats.accepted && given.has(item)
      );
      if (!outside) return;
      outside.left = { reason };
      this.withdraw(outside);
    });
  }

  #widen(to: number): void {
    if (this.inTime < this.stats.waiting) this.rest();
    this.setConcurrency(to);
    this.sink.concurrency = to;
    // A handler that it has started may have set another value.
    this.must(this.sink.concurrency === this.concurrency, "another concurrency");
    this.look();
  }

  protected act(act: Plan["act"]): void {
    if (act !== "nothing") this.#acts++;
    if (act === "pause" || act === "widen") {
      return this.#widen(act === "pause" ? 0 : this.concurrency + 1);
    }
    if (act === "leave") return this.#leave(0);
    if (act === "close" && this.#front.locked) return;
    if (act === "tryPush" || act === "push" || act === "submit") this.#offer(act, QUIET);
    else if (act !== "nothing") this.#order(act === "abort" && this.#front.locked ? "signal" : act);
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
    this.countSlots();
    this.countAgain();
    if (this.resting) this.idled++;
    const outside = this.first ? 0 : this.offers.length - this.stats.accepted;
    this.must(this.stats.blocked === outside, "blocked at a quiet moment");
    this.must(running === runs, "running");
    this.must(done === ends.done && failed === ends.failed, "done or failed");
    this.must(discarded === ends.discarded, "discarded");
    if (this.first) {
      this.must(waiting === 0, "something still waits");
      this.must(this.#listeners.live === 0, "a listener is left");
      for (const { items, over, signal } of this.jobs) {
        if (over || !signal) continue;
        const left = items.some(({ left }) => left?.reason === signal.reason);
        this.must(
          left || signal.reason === this.first.error,
          "the signal of a handler is not aborted",
        );
      }
    } else this.checkProgress();
    this.must(this.jobs.every(({ given }) => !given), "onDiscard was not called");
    const told = this.setup.onError === "absent" || this.jobs.every(({ untold }) => !untold?.size);
    this.must(told, "onError was not called");
    if (
      this.clock.pending >
        this.timers() + this.agains.size + (this.setup.rate && !this.first ? 1 : 0)
    ) this.must(false, "a timer too many");
    const complaint = this.#promises.complaint(this);
    if (complaint) this.must(false, complaint);
  }

  async finish(): Promise<void> {
    if (!this.#promises.closed) this.#order("close");
    await this.quiet();
    for (let turns = 0; turns < PATIENCE && this.#unfinished; turns++) {
      if (this.concurrency === 0) this.#widen(1);
      for (const job of this.jobs) job.settle?.("done");
      await this.quiet();
      const { rate } = this.setup;
      if (rate) await this.clock.tick(rate.interval, () => this.look());
      if (this.agains.size > 0) await this.clock.tick(this.setup.retry!, () => this.look());
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
