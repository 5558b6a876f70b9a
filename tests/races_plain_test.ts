/**
 * Compares two equal sinks. One has a `maxWait` that never passes, so every item has a job and goes
 * the whole way. In the other one, plain items take shorter ways. Both get the same steps, and must
 * behave the same.
 */

import fc from "fast-check";
import { Aggregator, Fanout, type SinkContext } from "../mod.ts";
import type { Clock } from "./support/clock.ts";
import { type Gate, gate } from "./support/gate.ts";
import type { Exploration } from "./races/explore.ts";
import { advance, often, type Race, race, Run, simply, suite } from "./races/race.ts";

interface Setup {
  readonly of: "Fanout" | "Aggregator";
  readonly concurrency: number;
  readonly capacity: number;
  readonly maxItems: number;
  readonly linger: number;
  readonly timed: boolean;
  readonly tells: boolean;
  readonly again: boolean;
}

/** What the handler of an item does. */
type Plan = "by hand" | "at once" | "throws" | "in a microtask" | "pushes" | "reads its signal";

type Deed =
  | { readonly do: "tryPush" | "push" | "submit" | "consume"; readonly plans: readonly Plan[] }
  | { readonly do: "settle"; readonly nth: number; readonly fails: boolean }
  | { readonly do: "concurrency"; readonly to: number }
  | { readonly do: "flush" | "idle" | "close" | "abort" };

const TIMEOUT = 5;
/** As long as a timer may take. */
const NEVER = 2147483647;

/** One of the two, and everything that is visible of it. */
class Side {
  readonly log: string[] = [];
  readonly #sink: Fanout<number> | Aggregator<number>;
  readonly #plans: Plan[] = [];
  readonly #calls: Gate<void>[] = [];

  constructor(
    { of, timed, tells, again, concurrency, capacity, ...limits }: Setup,
    whole: boolean,
  ) {
    const options = {
      ...{ concurrency, capacity },
      ...(timed && { timeout: TIMEOUT }),
      ...(whole && { maxWait: NEVER }),
      ...(tells && {
        onError: (error: unknown, items: unknown) => this.#note(`error ${told(error)} ${items}`),
        onDiscard: (items: number[]) => this.#note(`discards ${items}`),
      }),
      ...(again && { retry: (_: unknown, attempt: number) => attempt < 2 ? 1 : undefined }),
    };
    this.#sink = of === "Fanout"
      ? new Fanout((item: number, context) => this.#handle([item], context), options)
      : new Aggregator(
        (items: number[], context) => this.#handle(items, context) as Promise<undefined>,
        { ...limits, ...options },
      );
    this.#tell("closed", this.#sink.closed);
  }

  do(deed: Deed): void {
    switch (deed.do) {
      case "tryPush":
      case "push":
      case "submit":
        for (const plan of deed.plans) this.#bring(deed.do, plan);
        break;
      case "consume":
        this.#tell("consume", this.#sink.consume(deed.plans.map((plan) => this.#item(plan))));
        break;
      case "settle": {
        const [call] = this.#calls.splice(deed.nth % (this.#calls.length || 1), 1);
        if (deed.fails) call?.reject("failed");
        else call?.resolve();
        break;
      }
      case "concurrency":
        this.#sink.concurrency = deed.to;
        break;
      case "abort":
        this.#tell("abort", this.#sink.abort("aborted"));
        break;
      default:
        this.#tell(deed.do, this.#sink[deed.do]());
    }
    this.#note(deed.do);
  }

  #item(plan: Plan): number {
    return this.#plans.push(plan) - 1;
  }

  #bring(way: "tryPush" | "push" | "submit", plan: Plan): void {
    const item = this.#item(plan);
    if (way !== "tryPush") return this.#tell(`${way} ${item}`, this.#sink[way](item));
    try {
      this.#note(`tryPush ${item} gives ${this.#sink.tryPush(item)}`);
    } catch (error) {
      this.#note(`tryPush ${item} throws ${told(error)}`);
    }
  }

  #handle(items: readonly number[], context: SinkContext): Promise<void> | undefined {
    this.#note(`call ${items}, attempt ${context.attempt}`);
    switch (this.#plans[items[0]!]) {
      case "at once":
        return;
      case "throws":
        throw "thrown";
      case "pushes":
        this.#bring("tryPush", "at once");
        return Promise.resolve();
      case "in a microtask":
        return Promise.resolve();
      case "reads its signal":
        context.signal.addEventListener("abort", () => this.#note(`signal of ${items}`));
    }
    const call = gate();
    this.#calls.push(call);
    return call.promise;
  }

  #note(line: string): void {
    this.log.push(`${line} ${JSON.stringify(this.#sink?.stats)}`);
  }

  #tell(name: string, promise: Promise<unknown>): void {
    promise.then(
      (value) => this.#note(`${name} gives ${told(value)}`),
      (error) => this.#note(`${name} fails: ${told(error)}`),
    );
  }
}

/** As text, the same for both. */
function told(value: unknown): string {
  return String(Object(value).name ?? value);
}

class PlainRun extends Run<Deed> {
  readonly #plain: Side;
  readonly #whole: Side;

  constructor(setup: Setup, clock: Clock) {
    super(clock);
    this.#plain = new Side(setup, false);
    this.#whole = new Side(setup, true);
  }

  do(deed: Deed): void {
    this.#plain.do(deed);
    this.#whole.do(deed);
  }

  protected check(): void {
    const [plain, whole] = [this.#plain.log, this.#whole.log];
    const at = plain.findIndex((line, n) => line !== whole[n]);
    this.must(
      at < 0 && plain.length === whole.length,
      `plain: ${plain.slice(at).join("\n    ")}\n  whole: ${whole.slice(at).join("\n    ")}`,
    );
    plain.length = whole.length = 0;
  }

  async finish(): Promise<void> {
    this.do({ do: "abort" });
    await this.quiet();
    // Handlers that run on after the end.
    for (let n = 0; n < 100; n++) this.do({ do: "settle", nth: 0, fails: false });
    await this.quiet();
  }
}

const plans = fc.array(
  fc.constantFrom<Plan>(
    ...["by hand", "by hand", "by hand", "in a microtask", "in a microtask"] as const,
    ...["at once", "throws", "pushes", "reads its signal"] as const,
  ),
  { minLength: 1, maxLength: 6 },
);

const deeds: fc.Arbitrary<Deed> = fc.oneof(
  often(
    6,
    fc.record({
      do: fc.constantFrom("tryPush", "tryPush", "tryPush", "push", "submit", "consume"),
      plans,
    }),
  ),
  often(
    6,
    fc.record({
      do: fc.constant("settle" as const),
      nth: fc.nat(3),
      fails: fc.nat(9).map((n) => n === 0),
    }),
  ),
  often(1, fc.record({ do: fc.constant("concurrency" as const), to: fc.nat(3) })),
  often(2, simply("flush", "flush", "idle", "close", "abort")),
);

/** The races. */
export const races: readonly Race[] = suite([
  race({
    name: "plain",
    promise: "A sink does the same for plain items as for items that carry more, in every " +
      "schedule [5.1] [5.2] [5.3] [5.13] [5.14] [5.15] [5.36]",
    setups: fc.record({
      of: fc.constantFrom("Fanout", "Fanout", "Aggregator"),
      concurrency: fc.integer({ min: 1, max: 3 }),
      capacity: fc.constantFrom(3, 6, 20),
      maxItems: fc.integer({ min: 1, max: 3 }),
      linger: fc.constantFrom(0, 2, Infinity),
      timed: fc.boolean(),
      tells: fc.boolean(),
      again: fc.boolean(),
    }),
    steps: fc.oneof(
      often(6, deeds),
      often(1, advance(1, TIMEOUT)),
      often(
        2,
        fc.array(deeds, { minLength: 2, maxLength: 4 })
          .map((steps) => ({ do: "together" as const, steps })),
      ),
    ) as fc.Arbitrary<Deed>,
    start: (setup, clock) => new PlainRun(setup, clock),
  }),
]);

/** There are no explorations, because both are compared with each other, and not with a model. */
export const explorations: readonly Exploration[] = [];
