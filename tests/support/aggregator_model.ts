/** What an `Aggregator` must do, whatever is done to it, in whatever order. */

import { assertEquals } from "@std/assert";
import { Aggregator } from "../../mod.ts";
import { type Clock, withClock } from "./clock.ts";
import { gate, microtasks, turn } from "./gate.ts";
import { countListeners } from "./listeners.ts";

/** How the sink is made. */
export interface Setup {
  readonly maxItems: number;
  readonly weighed: boolean;
  readonly linger: number;
  readonly concurrency: number;
  /** Beyond `maxItems`. */
  readonly spare: number;
  readonly keyed: boolean;
  /** A writer holds the lock, and writes. */
  readonly locked: boolean;
  readonly onError: "absent" | "sync" | "async" | "throws";
}

/** How a batch ends: `one` where an `Error` is the result of its last item, `count` where one result is missing. */
export type End = "done" | "fails" | "one" | "count";

/** An item; what the handler does is up to the first of a batch. */
export interface Plan {
  readonly key: number;
  readonly weight: number;
  readonly ends: "by hand" | "at once" | "throws";
  readonly act: "nothing" | "tryPush" | "push" | "submit" | "flush" | "close" | "abort";
}

/** One thing that is done to the sink. */
export type Step =
  | { readonly do: "tryPush" | "push" | "submit" | "write"; readonly plan: Plan }
  | { readonly do: "settle"; readonly which: readonly { nth: number; end: End }[] }
  | { readonly do: "advance"; readonly ms: number }
  | { readonly do: "flush" | "idle" | "close" | "abort" | "signal" };

const MAX_WEIGHT = 6;

interface Item {
  readonly plan: Plan;
  submitted: boolean;
  acceptedAt: number | undefined;
  batch: Batch | undefined;
  outcome?: { readonly failed: boolean; readonly value: unknown };
}

interface Batch {
  readonly items: Item[];
  readonly lane: number;
  over: boolean;
  /** While an asynchronous `onError` runs. */
  held: boolean;
  error?: unknown;
  settle?: (end: End) => void;
}

/** A promise that the sink gave, and what has become of it. */
interface Promised {
  readonly kind: string;
  readonly item?: Item;
  /** How many were accepted when it was called. */
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
  readonly #capacity: number;
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  readonly #listeners = countListeners(this.#controller.signal);
  readonly #sink: Aggregator<Item, unknown>;
  readonly #writer: WritableStreamDefaultWriter<Item> | undefined;

  /** In the order of their offers: the first of them are accepted, the others wait for room. */
  readonly #offers: Item[] = [];
  /** Who is offering; nobody when the stream does, which goes by the order of its writes. */
  #offering: Item | undefined;
  readonly #written: Item[] = [];
  readonly #batches: Batch[] = [];
  readonly #promises: Promised[] = [];
  readonly #discarded: Item[] = [];
  readonly #problems: string[] = [];
  /** The first error; how many items a flush has made due; whether the sink was told to close. */
  #first: { readonly error: unknown } | undefined;
  #flushed = 0;
  #closing = false;

  constructor(setup: Setup, clock: Clock) {
    this.#setup = setup;
    this.#clock = clock;
    const { maxItems, linger, concurrency, onError } = setup;
    this.#capacity = maxItems + setup.spare;
    this.#sink = new Aggregator<Item, unknown>((items) => this.#handle(items), {
      maxItems,
      linger,
      concurrency,
      capacity: this.#capacity,
      ...(setup.weighed && { maxWeight: MAX_WEIGHT, weigh: (item: Item) => item.plan.weight }),
      signal: this.#controller.signal,
      key: setup.keyed ? (item) => item.plan.key : undefined,
      onError: onError === "absent" ? undefined : (error, items) => this.#failed(error, items),
      onDiscard: (items, reason) => this.#discard(items, reason),
      context: () => {
        this.#look();
        this.#offers.push(this.#offering ?? this.#written.shift()!);
        this.#offering = undefined;
        return (run) => run();
      },
    });
    this.#writer = setup.locked ? this.#sink.getWriter() : undefined;
    this.#writer?.closed.catch(() => {});
    this.#writer?.ready.catch(() => {});
  }

  async run(steps: readonly Step[]): Promise<void> {
    await this.#quiet("start");
    for (const step of steps) {
      if (step.do === "advance") {
        // One by one, so that it is seen when an item is accepted.
        for (let ms = 0; ms < step.ms; ms++) {
          await this.#clock.tick(1);
          await this.#quiet("advance");
        }
      } else {
        this.#step(step);
        await this.#quiet(step.do);
      }
    }
    if (!this.#closed) this.#order("close");
    await this.#quiet("end");
    for (let running = this.#running; running.length > 0; running = this.#running) {
      for (const { settle } of running) settle!("done");
      await this.#quiet("end");
    }
    await turn();
    const open = this.#promises.filter(({ state }) => state === "pending");
    assertEquals(open.map(({ kind }) => kind), [], "never settled");
    assertEquals(this.#clock.pending, 0, "a timer is left");
    assertEquals(this.#listeners.live, 0, "a listener is left");
  }

  get #running(): Batch[] {
    return this.#batches.filter(({ over }) => !over);
  }

  get #closed(): boolean {
    return this.#promises.some(({ kind, state }) => kind === "close" && state === "fulfilled");
  }

  #lane(item: Item): number {
    return this.#setup.keyed ? item.plan.key : 0;
  }

  /** The accepted items of each lane that no handler has been given, in order. */
  #waiting(): Map<number, Item[]> {
    const lanes = new Map<number, Item[]>();
    for (const item of this.#offers.slice(0, this.#sink.stats.accepted)) {
      if (item.batch) continue;
      const lane = lanes.get(this.#lane(item)) ?? [];
      lanes.set(this.#lane(item), lane);
      lane.push(item);
    }
    return lanes;
  }

  #step(step: Exclude<Step, { do: "advance" }>): void {
    if (step.do === "tryPush") this.#tryPush(step.plan);
    else if (step.do === "settle") {
      const running = this.#running;
      for (const { nth, end } of step.which) running[nth % running.length]?.settle?.(end);
    } else if ("plan" in step) this.#offer(step.do, step.plan);
    else this.#order(step.do);
  }

  #tryPush(plan: Plan): void {
    const { accepted, waiting } = this.#sink.stats;
    const room = this.#offers.length === accepted && waiting < this.#capacity;
    const open = !this.#first && !this.#closing;
    try {
      this.#offering = newItem(plan);
      const result = this.#sink.tryPush(this.#offering);
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
      this.#track(kind, () => this.#sink[kind](item), item);
      this.#offering = undefined;
    }
  }

  #order(kind: "flush" | "idle" | "close" | "abort" | "signal"): void {
    const locked = this.#writer ?? this.#sink;
    if (kind === "flush" || kind === "idle") {
      if (kind === "flush") this.#flushed = this.#sink.stats.accepted;
      this.#track(kind, () => this.#sink[kind]());
    } else if (kind === "close") {
      this.#closing = true;
      this.#track(kind, async () => await locked.close());
    } else {
      const reason = new Error(kind);
      if (!this.#closed) this.#first ??= { error: reason };
      if (kind === "signal") this.#controller.abort(reason);
      else this.#track(kind, () => locked.abort(reason));
    }
  }

  #track(kind: string, call: () => Promise<unknown>, item?: Item): void {
    const { accepted } = this.#sink.stats;
    const entry: Promised = { kind, before: accepted, state: "pending", ...(item && { item }) };
    this.#promises.push(entry);
    const end = (state: "fulfilled" | "rejected") => (value: unknown) => {
      entry.state = state;
      entry.value = value;
    };
    call().then(end("fulfilled"), end("rejected"));
  }

  #handle(items: Item[]): unknown {
    this.#look();
    const lane = items[0] && this.#lane(items[0]);
    if (lane === undefined) return this.#problems.push("an empty batch");
    if (this.#first) this.#problems.push("a handler starts after the end");
    const expected = this.#waiting().get(lane) ?? [];
    if (items.some((item, n) => item !== expected[n])) this.#problems.push("not in order");
    if (this.#setup.keyed && this.#batches.some((b) => b.lane === lane && (!b.over || b.held))) {
      this.#problems.push("two of one key run");
    }
    if (items.length > this.#setup.maxItems) this.#problems.push("too many in a batch");
    if (items.length > 1 && this.#weight(items) > MAX_WEIGHT) this.#problems.push("too heavy");
    const next = this.#offers.find((item) =>
      !item.batch && !items.includes(item) && this.#lane(item) === lane
    );
    const atCapacity = this.#sink.stats.waiting + items.length >= this.#capacity;
    if (!this.#full(items, next) && !this.#due(items[0]!) && !this.#closing && !atCapacity) {
      this.#problems.push("too early");
    }

    const batch: Batch = { items: [...items], lane, over: false, held: false };
    this.#batches.push(batch);
    for (const item of items) item.batch = batch;
    const { ends, act } = items[0]!.plan;
    this.#act(act);
    if (ends !== "by hand") {
      const { failed, value } = outcomeOf(batch, ends === "throws" ? "fails" : "done");
      this.#over(batch, failed, value);
      if (failed) throw value;
      return value;
    }
    const { promise, resolve, reject } = gate<unknown>();
    batch.settle = (end) => {
      const { failed, value } = outcomeOf(batch, end);
      if (failed) reject(value);
      else resolve(value);
    };
    // Heard just before the sink hears it.
    promise.then((value) => this.#over(batch, false, value as unknown[]), (error) => {
      this.#over(batch, true, error);
    });
    return promise;
  }

  #weight(items: Item[]): number {
    return this.#setup.weighed ? items.reduce((sum, { plan }) => sum + plan.weight, 0) : 0;
  }

  /** Whether a batch of these takes no more, or not the next. */
  #full(items: Item[], next: Item | undefined): boolean {
    const weight = this.#weight(items);
    return items.length >= this.#setup.maxItems || weight >= MAX_WEIGHT ||
      (next !== undefined && weight + this.#weight([next]) > MAX_WEIGHT);
  }

  /** Whether the batch that this item opened need not wait any longer. */
  #due(item: Item): boolean {
    return this.#offers.indexOf(item) < this.#flushed ||
      item.acceptedAt! + this.#setup.linger <= this.#clock.now;
  }

  #act(act: Plan["act"]): void {
    const plan: Plan = { key: 0, weight: 2, ends: "by hand", act: "nothing" };
    if (act === "push" || act === "submit") this.#offer(act, plan);
    else if (act === "flush") this.#order(act);
    else if (act === "close" && !this.#writer) this.#order(act);
    else if (act === "abort") this.#order(this.#writer ? "signal" : "abort");
    else if (act === "tryPush" && !this.#closing && !this.#first) this.#tryPush(plan);
  }

  /** The sink is about to hear of a handler's end. */
  #over(batch: Batch, failed: boolean, value: unknown): void {
    batch.over = true;
    const { items } = batch;
    const results = value as unknown[];
    const short = !failed && results.length < items.length;
    batch.error = short ? TypeError : value;
    for (const [n, item] of items.entries()) {
      const own = failed || short ? batch.error : results[n];
      const fails = failed || short || (item.submitted && own instanceof Error);
      // Where the sink has ended before, its own error was told.
      item.outcome = { failed: fails, value: this.#first ? this.#first.error : own };
    }
    const told = items.every(({ submitted }) => submitted);
    if (failed && !told && this.#setup.onError === "absent") this.#first ??= { error: value };
  }

  #failed(error: unknown, items: Item[]): unknown {
    this.#look();
    const batch = this.#batches.find((batch) => batch.items[0] === items[0]);
    const told = items.every(({ submitted }) => submitted);
    if (error !== batch?.error || told) this.#problems.push("a wrong onError");
    const { onError } = this.#setup;
    if (onError === "throws") {
      const own = new Error("onError");
      this.#first ??= { error: own };
      throw own;
    }
    if (onError === "sync") return;
    batch!.held = true;
    return Promise.resolve().then(() => void (batch!.held = false));
  }

  #discard(items: Item[], reason: unknown): void {
    this.#look();
    const lanes = this.#waiting();
    if (this.#discarded.length > 0) this.#problems.push("discarded twice");
    if (reason !== this.#first?.error) this.#problems.push("discarded with a wrong reason");
    for (const [lane, waiting] of lanes) {
      const given = items.filter((item) => this.#lane(item) === lane);
      if (given.length !== waiting.length || given.some((item, n) => item !== waiting[n])) {
        this.#problems.push("not all discarded, or not in order");
      }
    }
    this.#discarded.push(...items);
  }

  /** What holds at every moment, as seen from inside. */
  #look(): void {
    const { accepted, waiting, running, done, failed, discarded } = this.#sink.stats;
    if (waiting + running + done + failed + discarded !== accepted) {
      this.#problems.push("conservation");
    }
    const { concurrency } = this.#setup;
    if (this.#running.length > concurrency) this.#problems.push("too many run");
    if (waiting > this.#capacity) this.#problems.push("too many wait");
    for (const item of this.#offers.slice(0, accepted)) item.acceptedAt ??= this.#clock.now;
  }

  #checkRefusal(error: unknown): void {
    const right = this.#first?.error === error || (this.#closing && error instanceof TypeError);
    if (!right) this.#problems.push(`refused with ${error}`);
  }

  /** What holds when everything has had its turn. */
  async #quiet(step: string): Promise<void> {
    await microtasks(60);
    await macrotask();
    this.#look();
    assertEquals(this.#problems, [], `after ${step}`);

    const { stats } = this.#sink;
    const ended = (failed: boolean) =>
      this.#offers.filter(({ outcome }) => outcome?.failed === failed).length;
    const running = this.#running.reduce((sum, { items }) => sum + items.length, 0);
    assertEquals(stats.running, running, `running after ${step}`);
    assertEquals(stats.done, ended(false), `done after ${step}`);
    assertEquals(stats.failed, ended(true), `failed after ${step}`);
    assertEquals(stats.discarded, this.#discarded.length, `discarded after ${step}`);
    assertEquals(stats.batches, this.#batches.length, `batches after ${step}`);
    const timers = stats.waiting > 0 && this.#setup.linger % Infinity > 0 ? 1 : 0;
    assertEquals(this.#clock.pending <= timers, true, `timers after ${step}`);
    if (!this.#first) this.#checkProgress(step);
    else assertEquals(stats.waiting, 0, `waiting after ${step}`);
    for (const promised of this.#promises) this.#checkPromise(promised, step);
  }

  /** No idle worker while a batch may start, nobody kept out while there is room. */
  #checkProgress(step: string): void {
    const { accepted, waiting } = this.#sink.stats;
    const out = this.#offers.length > accepted;
    assertEquals(out && waiting < this.#capacity, false, `kept out after ${step}`);
    if (this.#running.length >= this.#setup.concurrency) return;
    const ending = this.#closing && !out && this.#written.length === 0;
    for (const [lane, items] of this.#waiting()) {
      if (this.#setup.keyed && this.#running.some((batch) => batch.lane === lane)) continue;
      const startable = ending || waiting >= this.#capacity || this.#full(items, undefined) ||
        this.#due(items[0]!);
      assertEquals(startable, false, `a worker is idle after ${step}`);
    }
  }

  #checkPromise({ kind, item, before, state, value }: Promised, step: string): void {
    const where = `${kind} after ${step}`;
    const { accepted, waiting, running } = this.#sink.stats;
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
      const result = item!.outcome;
      if (place < 0) this.#checkRefusal(value);
      else if (result) {
        const failed = result.failed || result.value === this.#first?.error;
        const right = value === result.value ||
          (result.value === TypeError && value instanceof TypeError);
        assertEquals([state, right], [failed ? "rejected" : "fulfilled", true], where);
      } else if (this.#first) {
        assertEquals([state, value === this.#first.error], ["rejected", true], where);
      } else assertEquals(state, "pending", where);
    } else if (kind === "flush") {
      const settled = this.#offers.slice(0, before).every(({ outcome }) => outcome);
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

/** What a handler gives at such an end; a result is missing only where all items were submitted. */
function outcomeOf({ items }: Batch, end: End): { failed: boolean; value: unknown } {
  if (end === "fails") return { failed: true, value: new Error("batch") };
  const results: unknown[] = [...items];
  if (end === "one") results[items.length - 1] = new Error("item");
  if (end === "count" && items.every(({ submitted }) => submitted)) results.pop();
  return { failed: false, value: results };
}

function newItem(plan: Plan): Item {
  return { plan, submitted: false, acceptedAt: undefined, batch: undefined };
}

const { setImmediate } = globalThis as { setImmediate?: (callback: () => void) => unknown };

function macrotask(): Promise<void> {
  return setImmediate ? new Promise((resolve) => void setImmediate(resolve)) : turn();
}
