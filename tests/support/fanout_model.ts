/** What a `Fanout` must do, whatever is done to it, in whatever order. */

import { assertEquals } from "@std/assert";
import { Fanout, type HandlerContext } from "../../mod.ts";
import { type Clock, withClock } from "./clock.ts";
import { gate, microtasks, turn } from "./gate.ts";
import { countListeners } from "./listeners.ts";

/** How the sink is made. */
export interface Setup {
  readonly concurrency: number;
  readonly capacity: number;
  readonly keyed: boolean;
  readonly timed: boolean;
  /** A writer holds the lock, and writes. */
  readonly locked: boolean;
  readonly onError: "absent" | "sync" | "async" | "throws" | "rejects";
}

/** What the handler of an item does. */
export interface Plan {
  readonly key: number;
  readonly ends: "by hand" | "at once" | "throws";
  /** Done to its own sink when it starts. */
  readonly act: "nothing" | "tryPush" | "push" | "submit" | "flush" | "close" | "abort";
}

/** One thing that is done to the sink. */
export type Step =
  | { readonly do: "tryPush" | "push" | "submit" | "write"; readonly plan: Plan }
  | { readonly do: "settle"; readonly which: readonly { nth: number; fails: boolean }[] }
  | { readonly do: "advance"; readonly ms: number }
  | { readonly do: "flush" | "idle" | "close" | "abort" | "signal" };

const TIMEOUT = 10;

/** An item, from its offer to its end. */
interface Item {
  readonly plan: Plan;
  submitted: boolean;
  started: number | undefined;
  /** The handler is over; `held` until the next quiet moment, while an asynchronous `onError` runs. */
  over: boolean;
  held: boolean;
  outcome?: { readonly failed: boolean; readonly value: unknown };
  settle?: (failed: boolean) => void;
}

/** A promise that the sink gave, and what has become of it. */
interface Promised {
  readonly kind: "push" | "submit" | "write" | "flush" | "idle" | "close" | "abort";
  readonly item?: Item;
  /** For a flush: how many were accepted when it was called. */
  readonly before: number;
  state: "pending" | "fulfilled" | "rejected";
  value?: unknown;
}

/** Does the steps one by one, and throws at the first quiet moment at which something is wrong. */
export function check(setup: Setup, steps: readonly Step[]): Promise<void> {
  return withClock((clock) => new Model(setup, clock).run(steps));
}

class Model {
  readonly #setup: Setup;
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  readonly #listeners = countListeners(this.#controller.signal);
  readonly #fanout: Fanout<Item, unknown>;
  readonly #writer: WritableStreamDefaultWriter<Item> | undefined;

  /** In the order of their offers: the first of them are accepted, the others wait for room. */
  readonly #offers: Item[] = [];
  /** Who is offering; nobody when the stream does, which goes by the order of its writes. */
  #offering: Item | undefined;
  readonly #written: Item[] = [];
  readonly #promises: Promised[] = [];
  readonly #discarded: Item[] = [];
  readonly #problems: string[] = [];
  /** The first error, and whether the sink was told to close. */
  #first: { readonly error: unknown } | undefined;
  #closing = false;
  #errors = 0;

  constructor(setup: Setup, clock: Clock) {
    this.#setup = setup;
    this.#clock = clock;
    const { concurrency, capacity, onError } = setup;
    this.#fanout = new Fanout((item: Item, context) => this.#handle(item, context), {
      concurrency,
      capacity,
      signal: this.#controller.signal,
      key: setup.keyed ? (item) => item.plan.key : undefined,
      timeout: setup.timed ? TIMEOUT : Infinity,
      onError: onError === "absent" ? undefined : (error, item) => this.#failed(error, item),
      onDiscard: (items, reason) => this.#discard(items, reason),
      context: () => {
        this.#look();
        this.#offers.push(this.#offering ?? this.#written.shift()!);
        this.#offering = undefined;
        return (run) => run();
      },
    });
    this.#writer = setup.locked ? this.#fanout.getWriter() : undefined;
    this.#writer?.closed.catch(() => {});
    this.#writer?.ready.catch(() => {});
  }

  async run(steps: readonly Step[]): Promise<void> {
    await this.#quiet("start");
    for (const step of steps) {
      await this.#step(step);
      await this.#quiet(step.do);
    }
    if (!this.#closed) await this.#step({ do: "close" });
    await this.#quiet("end");
    while (this.#running.length > 0) {
      for (const { settle } of this.#running) settle!(false);
      await this.#quiet("end");
    }
    await turn();
    const open = this.#promises.filter(({ state }) => state === "pending");
    assertEquals(open.map(({ kind }) => kind), [], "never settled");
    assertEquals(this.#clock.pending, 0, "a timer is left");
    assertEquals(this.#listeners.live, 0, "a listener is left");
  }

  get #running(): Item[] {
    return this.#offers.filter((item) => item.started !== undefined && !item.over);
  }

  get #closed(): boolean {
    return this.#promises.some(({ kind, state }) => kind === "close" && state === "fulfilled");
  }

  async #step(step: Step): Promise<void> {
    switch (step.do) {
      case "tryPush":
        return this.#tryPush(step.plan);
      case "settle": {
        const running = this.#running;
        for (const { nth, fails } of step.which) running[nth % running.length]?.settle?.(fails);
        return;
      }
      case "advance":
        return await this.#clock.tick(step.ms);
      case "push":
      case "submit":
      case "write":
        return this.#offer(step.do, step.plan);
      default:
        return this.#order(step.do);
    }
  }

  #tryPush(plan: Plan): void {
    const { accepted, waiting, running } = this.#fanout.stats;
    const { concurrency, capacity, keyed } = this.#setup;
    const busy = this.#running.some((item) => item.plan.key === plan.key);
    const room = this.#offers.length === accepted &&
      (waiting < capacity || (running < concurrency && keyed && !busy));
    const open = !this.#first && !this.#closing;
    let result: unknown;
    try {
      this.#offering = newItem(plan);
      result = this.#fanout.tryPush(this.#offering);
      if (result !== room) this.#problems.push(`tryPush gave ${result}, room was ${room}`);
    } catch (error) {
      if (open) this.#problems.push(`tryPush threw ${error}`);
      this.#checkRefusal(error);
    }
    this.#offering = undefined;
  }

  #offer(kind: "push" | "submit" | "write", plan: Plan): void {
    const item = newItem(plan);
    item.submitted = kind === "submit";
    if (kind === "write") {
      if (!this.#writer) return;
      this.#written.push(item);
      this.#track(kind, async () => await this.#writer!.write(item), item);
    } else {
      this.#offering = item;
      this.#track(kind, () => this.#fanout[kind](item), item);
      this.#offering = undefined;
    }
  }

  #order(kind: "flush" | "idle" | "close" | "abort" | "signal"): void {
    const locked = this.#writer ?? this.#fanout;
    if (kind === "flush" || kind === "idle") this.#track(kind, () => this.#fanout[kind]());
    else if (kind === "close") {
      this.#closing = true;
      this.#track(kind, async () => await locked.close());
    } else {
      const reason = new Error(`${kind} ${++this.#errors}`);
      if (!this.#closed) this.#first ??= { error: reason };
      if (kind === "signal") this.#controller.abort(reason);
      else this.#track(kind, () => locked.abort(reason));
    }
  }

  #track(kind: Promised["kind"], call: () => Promise<unknown>, item?: Item): void {
    const { accepted } = this.#fanout.stats;
    const entry: Promised = { kind, before: accepted, state: "pending", ...(item && { item }) };
    this.#promises.push(entry);
    const end = (state: "fulfilled" | "rejected") => (value: unknown) => {
      entry.state = state;
      entry.value = value;
    };
    call().then(end("fulfilled"), end("rejected"));
  }

  #handle(item: Item, context: HandlerContext): unknown {
    this.#look();
    const place = this.#offers.indexOf(item);
    if (this.#first) this.#problems.push("a handler starts after the end");
    if (item.started !== undefined) this.#problems.push("a handler starts twice");
    const busy = new Set<unknown>();
    for (const other of this.#offers) {
      if (other.started !== undefined && (!other.over || other.held)) busy.add(this.#lane(other));
    }
    if (this.#running.some((other) => this.#lane(other) === this.#lane(item))) {
      this.#problems.push("two of one key run");
    }
    for (const older of this.#offers.slice(0, place)) {
      if (older.started === undefined && !busy.has(this.#lane(older))) {
        this.#problems.push("an older item was passed over");
      }
    }
    item.started = this.#clock.now;
    this.#act(item.plan.act);
    if (item.plan.ends === "at once") {
      this.#over(item, false, item);
      return item;
    }
    if (item.plan.ends === "throws") {
      const error = new Error(`thrown ${++this.#errors}`);
      this.#over(item, true, error);
      throw error;
    }
    const { promise, resolve, reject } = gate<unknown>();
    item.settle = (fails) =>
      fails ? reject(new Error(`rejected ${++this.#errors}`)) : resolve(item);
    // Heard just before the sink hears it.
    promise.then((value) => this.#over(item, false, value), (error) => {
      this.#over(item, true, error);
    });
    if (this.#setup.timed) {
      context.signal.addEventListener("abort", () => {
        const { reason } = context.signal;
        // Its own timeout, and not the end of the sink.
        if (reason === this.#first?.error) return;
        if (this.#clock.now - item.started! !== TIMEOUT) this.#problems.push("a wrong timeout");
        this.#over(item, true, reason);
      });
    }
    return promise;
  }

  /** Without keys each item is alone in its lane. */
  #lane(item: Item): unknown {
    return this.#setup.keyed ? item.plan.key : item;
  }

  #act(act: Plan["act"]): void {
    const plan: Plan = { key: 0, ends: "by hand", act: "nothing" };
    if (act === "push" || act === "submit") this.#offer(act, plan);
    else if (act === "flush") this.#order(act);
    else if (act === "close" && !this.#writer) this.#order(act);
    else if (act === "abort") this.#order(this.#writer ? "signal" : "abort");
    else if (act === "tryPush" && !this.#closing && !this.#first) {
      this.#offering = newItem(plan);
      const { accepted, waiting } = this.#fanout.stats;
      const room = this.#offers.length === accepted && waiting < this.#setup.capacity;
      if (!this.#fanout.tryPush(this.#offering) && room) this.#problems.push("refused with room");
      this.#offering = undefined;
    }
  }

  /** The sink is about to hear of a handler's end. */
  #over(item: Item, failed: boolean, value: unknown): void {
    if (item.over) return;
    item.over = true;
    // Where the sink has ended before, its own error was told.
    item.outcome = this.#first ? { failed, value: this.#first.error } : { failed, value };
    if (this.#first) item.submitted &&= false;
    else if (failed && !item.submitted && this.#setup.onError === "absent") {
      this.#first = { error: value };
    }
  }

  #failed(error: unknown, item: Item): unknown {
    this.#look();
    if (error !== item.outcome?.value || item.submitted) this.#problems.push("a wrong onError");
    const { onError } = this.#setup;
    const own = new Error(`onError ${++this.#errors}`);
    const fail = () => {
      this.#first ??= { error: own };
      throw own;
    };
    if (onError === "throws") return fail();
    if (onError === "sync") return;
    item.held = true;
    return Promise.resolve().then(onError === "rejects" ? fail : undefined);
  }

  #discard(items: Item[], reason: unknown): void {
    this.#look();
    const waiting = this.#offers.slice(0, this.#fanout.stats.accepted)
      .filter((item) => item.started === undefined);
    if (this.#discarded.length > 0) this.#problems.push("discarded twice");
    if (reason !== this.#first?.error) this.#problems.push("discarded with a wrong reason");
    if (items.length !== waiting.length || items.some((item, n) => item !== waiting[n])) {
      this.#problems.push("not all discarded, or not in order");
    }
    this.#discarded.push(...items);
  }

  /** What holds at every moment, as seen from inside. */
  #look(): void {
    const { accepted, waiting, running, done, failed, discarded } = this.#fanout.stats;
    const { concurrency, capacity } = this.#setup;
    if (waiting + running + done + failed + discarded !== accepted) {
      this.#problems.push("conservation");
    }
    if (running > concurrency || waiting > capacity) this.#problems.push("bound");
  }

  #checkRefusal(error: unknown): void {
    const right = this.#first?.error === error || (this.#closing && error instanceof TypeError);
    if (!right) this.#problems.push(`refused with ${error}`);
  }

  /** What holds when everything has had its turn. */
  async #quiet(step: string): Promise<void> {
    await microtasks(60);
    await macrotask();
    for (const item of this.#offers) item.held = false;
    this.#look();
    assertEquals(this.#problems, [], `after ${step}`);

    const { stats } = this.#fanout;
    const ended = (failed: boolean) =>
      this.#offers.filter(({ outcome }) => outcome?.failed === failed).length;
    assertEquals(stats.running, this.#running.length, `running after ${step}`);
    assertEquals(stats.done, ended(false), `done after ${step}`);
    assertEquals(stats.failed, ended(true), `failed after ${step}`);
    assertEquals(stats.discarded, this.#discarded.length, `discarded after ${step}`);
    if (!this.#first) this.#checkProgress(step);
    else assertEquals(stats.waiting, 0, `waiting after ${step}`);
    for (const promised of this.#promises) this.#checkPromise(promised, step);
  }

  /** No idle worker while an item may start, nobody kept out while there is room. */
  #checkProgress(step: string): void {
    const { accepted, waiting, running } = this.#fanout.stats;
    const { concurrency, capacity } = this.#setup;
    const busy = new Set(this.#running.map((item) => this.#lane(item)));
    const startable = (item: Item) => running < concurrency && !busy.has(this.#lane(item));
    const idle = this.#offers.slice(0, accepted).some((item) =>
      item.started === undefined && startable(item)
    );
    assertEquals(idle, false, `a worker is idle after ${step}`);
    const head = this.#offers[accepted];
    const kept = head !== undefined && (waiting < capacity || startable(head));
    assertEquals(kept, false, `kept out after ${step}`);
    for (const item of this.#running) {
      const late = this.#setup.timed && this.#clock.now - item.started! >= TIMEOUT;
      assertEquals(late, false, `runs on after ${step}`);
    }
  }

  #checkPromise({ kind, item, before, state, value }: Promised, step: string): void {
    const where = `${kind} after ${step}`;
    const { accepted, waiting, running } = this.#fanout.stats;
    const place = item ? this.#offers.indexOf(item) : -1;
    if (state === "rejected" && kind !== "abort" && kind !== "submit") {
      if (kind === "close" && this.#closed) return;
      const twice = kind === "close" && value instanceof TypeError;
      // Node throws an assertion of its own at a write after close.
      const node = (value as { code?: string }).code === "ERR_INTERNAL_ASSERTION";
      if (!twice && !node) this.#checkRefusal(value);
      assertEquals(this.#problems, [], where);
    }
    if (kind === "push" || kind === "write") {
      if (place >= 0 && place < accepted) assertEquals(state, "fulfilled", where);
      else if (this.#first) assertEquals(state, "rejected", where);
      else if (place >= 0) assertEquals(state, "pending", where);
    } else if (kind === "submit") {
      const result = item!.submitted ? item!.outcome : undefined;
      if (place < 0) this.#checkRefusal(value);
      else if (result) {
        assertEquals([state, value === result.value], [
          result.failed ? "rejected" : "fulfilled",
          true,
        ], where);
      } else if (this.#first) {
        assertEquals([state, value === this.#first.error], ["rejected", true], where);
      } else assertEquals(state, "pending", where);
    } else if (kind === "flush") {
      const settled = this.#offers.slice(0, before).every(({ over }) => over);
      if (settled && !this.#first) assertEquals(state, "fulfilled", where);
      else if (!settled) assertEquals(state, this.#first ? "rejected" : "pending", where);
    } else if (kind === "idle") {
      if (waiting + running === 0) assertEquals(state, "fulfilled", where);
    } else if (kind === "close") {
      const settled = waiting + running === 0 && this.#offers.length === accepted;
      if (this.#first) assertEquals(state === "pending", false, where);
      else if (!settled && state === "fulfilled") assertEquals(state, "pending", where);
      else if (settled && this.#written.length === 0) {
        assertEquals(state === "pending", false, where);
      }
    }
  }
}

function newItem(plan: Plan): Item {
  return { plan, submitted: false, started: undefined, over: false, held: false };
}

const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => unknown };

function macrotask(): Promise<void> {
  return setImmediate ? new Promise((resolve) => void setImmediate(resolve)) : turn();
}
