/** `throttle` and `ThrottleStream`: at most one call in an interval, and everything is counted. */

import fc from "fast-check";
import { throttle, type Throttled, type ThrottleEdge, ThrottleStream } from "../mod.ts";
import type { Clock } from "./support/clock.ts";
import { type Numbered, TransformRun, transformSteps } from "./races/transform_run.ts";
import { type Exploration, exploration, explored } from "./races/explore.ts";
import { type Advance, advance, often, type Race, race, Run, simply, suite } from "./races/race.ts";
import { pass } from "./races/sink_events.ts";
import { transformEvents } from "./races/transform_events.ts";
import { type Act, ThrottleModel, type Trigger } from "./races/throttle_model.ts";

interface Setup {
  readonly edge: ThrottleEdge;
  readonly interval: number;
}

type Call =
  | { readonly do: "trigger"; readonly acts: readonly Act[] }
  | { readonly do: "flush" | "cancel" };

/** The model of the function. */
class ThrottleRun extends Run<Call> {
  readonly #interval: number;
  readonly #model: ThrottleModel;
  readonly #throttled: Throttled<[Trigger]>;
  readonly #passed: Trigger[] = [];
  #triggers = 0;

  constructor({ edge, interval }: Setup, clock: Clock) {
    super(clock);
    this.#interval = interval;
    this.#model = new ThrottleModel(edge, interval);
    this.#throttled = throttle((trigger: Trigger) => {
      this.#passed.push(trigger);
      if (trigger.inside) this.#throttled(trigger.inside);
      else if (trigger.act !== "nothing") this.#throttled[trigger.act as "flush"]();
    }, { edge, interval });
  }

  do(step: Call): void {
    if (step.do === "trigger") {
      for (const act of step.acts) {
        const trigger = this.#trigger(act);
        // In this order, because the model gets the inner actions of the function afterwards.
        const passed = this.#throttled(trigger);
        this.must(passed === this.#model.trigger(trigger, this.clock.now), "whether it ran");
      }
    } else {
      this.#throttled[step.do]();
      this.#model[step.do](this.clock.now);
    }
  }

  #trigger(act: Act): Trigger {
    const id = this.#triggers++;
    const inside = act === "trigger" ? this.#trigger("nothing") : undefined;
    return { id, act, inside };
  }

  override look(): void {
    this.#model.fire(this.clock.now);
  }

  override can(): boolean {
    return true;
  }

  protected check(): void {
    const model = this.#model;
    const { accepted, waiting, done, dropped, discarded } = this.#throttled.stats;
    this.must(accepted === waiting + done + dropped + discarded, "not conserved");
    this.must(accepted === model.accepted && dropped === model.dropped, "accepted or dropped");
    this.must(waiting === (model.pending ? 1 : 0) && discarded === model.discarded, "waiting");
    this.must(done === model.passed.length && done === this.#passed.length, "done");
    this.must(this.#passed.at(-1) === model.passed.at(-1), "another has passed");
    const timers = waiting > 0 && this.#interval < Infinity ? 1 : 0;
    this.must(this.clock.pending === timers, "timers");
  }

  async finish(): Promise<void> {
    this.#throttled[Symbol.dispose]();
    this.#model.flush(this.clock.now);
    await this.quiet();
    // A trigger inside the function waits.
    this.do({ do: "cancel" });
    await this.quiet();
    this.must(this.#passed.every((trigger, n) => trigger === this.#model.passed[n]), "others");
    await this.quiet();
  }
}

interface Item extends Numbered, Trigger {}

/** The model of the stream: the function, and the waiting items on both sides of it. */
class ThrottleStreamRun extends TransformRun<null, Item, Item, { readonly do: "flush" }> {
  readonly #setup: Setup;
  readonly #stream: ThrottleStream<Item>;
  readonly #model: ThrottleModel;
  /** Items that were written and wait outside. */
  #outside: readonly Item[] = [];
  /** The item that has passed and is not read yet, and the number of passed items. */
  #held: Trigger | undefined;
  #passed = 0;
  #replaced = 0;
  #asked = 0;
  readonly #delivered: Trigger[] = [];
  readonly #received: unknown[] = [];
  #discarded = 0;

  constructor(setup: Setup, clock: Clock) {
    super(clock);
    this.#setup = setup;
    this.#model = new ThrottleModel(setup.edge, setup.interval);
    this.#stream = new ThrottleStream<Item>({ ...setup, signal: this.signal });
    this.open(this.#stream);
  }

  protected make(id: number): Item {
    return { id, act: "nothing", inside: undefined };
  }

  protected chunk(item: Item): Item {
    return item;
  }

  override do(step: Parameters<TransformRun<null, Item, Item, { readonly do: "flush" }>["do"]>[0]) {
    const { reads } = this;
    const before = this.written.length;
    super.do(step);
    if (this.over) return;
    this.#asked += this.reads - reads;
    this.#outside = [...this.#outside, ...this.written.slice(before)];
    this.#go();
  }

  protected override doOther(): void {
    this.#stream.flush();
    this.#model.flush(this.clock.now);
  }

  override look(): void {
    if (this.over) return;
    this.#model.fire(this.clock.now);
    this.#go();
  }

  /** Ends the stream, if this is the first end. */
  protected override end(reason: unknown): void {
    if (!this.over) this.#discarded = (this.#model.pending ? 1 : 0) + (this.#held ? 1 : 0);
    super.end(reason);
  }

  /** An interval has no timer while nothing waits for its end. */
  override can(
    step: Parameters<TransformRun<null, Item, Item, { readonly do: "flush" }>["can"]>[0],
  ) {
    return step.do === "advance" || super.can(step);
  }

  /** Moves everything as far as possible. */
  #go(): void {
    const model = this.#model;
    for (let rest = this.closed;;) {
      if (this.#passed < model.passed.length) {
        if (this.#held) this.#replaced++;
        this.#held = model.passed[this.#passed++];
      } else if (this.#held && this.#asked > 0) {
        this.#asked--;
        this.#delivered.push(this.#held);
        this.#held = undefined;
      } else if (this.#outside.length > 0 && !this.#kept) {
        model.trigger(this.#outside[0]!, this.clock.now);
        this.#outside = this.#outside.slice(1);
      } else if (rest && this.#outside.length === 0) {
        rest = false;
        model.flush(this.clock.now);
      } else return;
    }
  }

  /** At the leading edge a passed item is kept, and the next write that would pass waits. */
  get #kept(): boolean {
    return this.#setup.edge === "leading" && this.#held !== undefined &&
      this.#model.isQuiet(this.clock.now);
  }

  /** There is no source that could fail. */
  protected drained(): boolean {
    return false;
  }

  protected receive(value: unknown): void {
    this.#received.push(value);
  }

  protected override checkAlways(): void {
    const model = this.#model;
    const { accepted, waiting, done, dropped, discarded } = this.#stream.stats;
    this.must(accepted === waiting + done + dropped + discarded, "not conserved");
    this.must(accepted === model.accepted && accepted === this.accepted, "accepted");
    this.must(dropped === model.dropped + this.#replaced, "dropped");
    this.must(done === this.#delivered.length && done === this.#received.length, "done");
    const right = this.#received.every((item, place) => item === this.#delivered[place]);
    this.must(right, "another has passed");
    this.must(discarded === this.#discarded, "discarded");
    const timers = !this.over && model.pending && this.#setup.interval < Infinity ? 1 : 0;
    this.must(this.clock.pending === timers, "timers");
  }

  protected checkOpen(): void {
    this.must(this.reads === this.#asked, "too late");
    this.must(this.writes === this.#outside.length, "a write waits for no reason");
    if (this.closing !== "no") {
      this.must(this.closing === (this.writes === 0 ? "fulfilled" : "pending"), "close");
    }
  }

  protected override checkEnd(): void {
    if (!this.over) this.must(this.accepted === this.written.length, "lost");
  }
}

const setups: fc.Arbitrary<Setup> = fc.record({
  edge: fc.constantFrom("leading", "trailing", "both"),
  interval: fc.constantFrom(1, 10, 10, Infinity),
}, { noNullPrototype: true });

const acts: fc.Arbitrary<Act> = fc.oneof(
  often(8, fc.constant("nothing" as const)),
  often(2, fc.constantFrom("trigger" as const, "flush" as const, "cancel" as const)),
);

const EDGES = "[4.T1] [4.T2] [4.T3] [4.T4] [4.T5] [4.T6] [4.T20]";

/** The races of `throttle` and `ThrottleStream`. */
export const races: readonly Race[] = suite([
  race<Setup, Call>({
    name: "throttle",
    promise: `throttle() keeps its promises in every schedule ${EDGES}`,
    setups,
    steps: fc.oneof(
      often(
        6,
        fc.array(acts, { minLength: 1, maxLength: 3, size: "max" })
          .map((acts) => ({ do: "trigger" as const, acts })),
      ),
      often(5, advance(1, 3, 5, 9, 10, 11, 25)),
      often(1, simply("flush", "cancel")),
    ),
    late: [4, 10, 30],
    start: (setup, clock) => new ThrottleRun(setup, clock),
  }),
  race({
    name: "throttle-stream",
    promise:
      `ThrottleStream keeps its promises in every schedule ${EDGES} [4.T8] [4.T9] [7.3] [7.5]`,
    setups,
    steps: fc.oneof(
      ...transformSteps(fc.constant(null)),
      often(4, advance(1, 4, 9, 10, 11)),
      often(1, simply("flush")),
    ),
    late: [4, 10, 30],
    start: (setup, clock) => new ThrottleStreamRun(setup, clock),
  }),
]);

const EDGE_NAMES = ["leading", "trailing", "both"] as const;

/** The explorations of `throttle` and `ThrottleStream`, at each edge. */
export const explorations: readonly Exploration[] = explored(EDGE_NAMES.flatMap((edge) => [
  exploration<Setup, Call | Advance>({
    name: `throttle-${edge}`,
    races,
    setup: { edge, interval: 10 },
    events: {
      trigger: { do: "trigger", acts: ["nothing"] },
      "trigger again": { do: "trigger", acts: ["trigger"] },
      "trigger flushes": { do: "trigger", acts: ["flush"] },
      "trigger cancels": { do: "trigger", acts: ["cancel"] },
      flush: { do: "flush" },
      cancel: { do: "cancel" },
      ...pass(5, 10),
    },
  }),
  exploration({
    name: `throttle-stream-${edge}`,
    races,
    setup: { edge, interval: 10 },
    events: { ...transformEvents({ "": null }), flush: { do: "flush" }, ...pass(5, 10) },
    apart: /^close|^write|^read/,
  }),
]));
