/**
 * Compares our iterator with the platform's iterator of an equal stream: both get the same steps,
 * and must behave the same.
 */

import fc from "fast-check";
import { BatchStream, MapStream, type Source } from "../mod.ts";
import type { Clock } from "./support/clock.ts";
import { type Gate, gate } from "./support/gate.ts";
import { HandSource } from "./races/hand_source.ts";
import type { Exploration } from "./races/explore.ts";
import { often, type Race, race, Run, simply, type Step, suite } from "./races/race.ts";
import type { Front } from "./races/transform_run.ts";

interface Setup {
  readonly of: "map" | "batch";
  readonly front: Front;
  /** The concurrency, or the items in a batch. */
  readonly size: number;
  /** Whether there is an `onDiscard`. */
  readonly tells: boolean;
}

/** The outcome of an item of a `MapStream`. */
type Plan = "by hand" | "at once";

type Deed =
  | { readonly do: "write"; readonly items: readonly Plan[] }
  | { readonly do: "values" | "loop"; readonly preventCancel: boolean; readonly turns: number }
  | { readonly do: "next" | "return"; readonly which: number; readonly times: number }
  | { readonly do: "settle"; readonly fails: boolean }
  | {
    readonly do:
      | "leave"
      | "getReader"
      | "read"
      | "releaseLock"
      | "cancelReader"
      | "cancel"
      | "close"
      | "abort"
      | "signal";
  };

type Steps = Deed | { readonly do: "together"; readonly steps: readonly Deed[] };

type Values = (options?: { preventCancel?: boolean }) => AsyncIterableIterator<unknown>;

/** One of the two, and everything that is visible of it. */
class Side {
  readonly log: string[] = [];
  readonly #own = new AbortController();
  readonly #readable: ReadableStream<unknown>;
  readonly #values: Values;
  readonly #source: HandSource<number> | undefined;
  readonly #writer: WritableStreamDefaultWriter<number> | undefined;
  readonly #stats: (() => object) | undefined;
  readonly #iterators: AsyncIterator<unknown>[] = [];
  /** The calls that wait for an answer. */
  readonly #asked = new Set<AsyncIterator<unknown>>();
  readonly #plans: Plan[] = [];
  readonly #calls: Gate<unknown>[] = [];
  /** Loops that end early. */
  readonly #loops: Gate[] = [];
  #reader: ReadableStreamDefaultReader<unknown> | undefined;
  #closed = false;

  constructor({ of, front, size, tells }: Setup, native: boolean) {
    const { signal } = this.#own;
    const onDiscard = (items: unknown[], reason: unknown) => {
      this.log.push(`discards ${items} ${told(reason)}`);
    };
    const ends = { signal, ...(tells && { onDiscard }) };
    const call = (item: number) => {
      const plan = this.#plans[item]!;
      this.log.push(`call ${item}`);
      if (plan === "at once") return `result ${item}`;
      const call = gate<unknown>();
      this.#calls.push(call);
      return call.promise.then(() => `result ${item}`);
    };
    if (front === "writer") {
      const stream: TransformStream<number, unknown> & { readonly stats: object } = of === "map"
        ? new MapStream<number, string>(call, { concurrency: size, ...ends })
        : new BatchStream<number>({ maxItems: size, ...ends });
      this.#readable = stream.readable;
      this.#writer = stream.writable.getWriter();
      this.#writer.closed.catch(() => {});
      this.#writer.ready.catch(() => {});
      this.#stats = () => stream.stats;
    } else {
      this.#source = new HandSource<number>(front, {
        given: (item) => this.log.push(`given ${item}`),
        ended: (failure) => this.log.push(`ended ${failure?.error}`),
      });
      const { source } = this.#source as { source: Source<number> };
      this.#readable = of === "map"
        ? MapStream.from<number, string>(source, call, { concurrency: size, ...ends })
        : BatchStream.from(source, { maxItems: size, ...ends });
    }
    const readable = this.#readable as unknown as { values: Values };
    this.#values = native
      ? (ReadableStream.prototype as unknown as { values: Values }).values.bind(this.#readable)
      : (options) => readable.values(options);
  }

  /** The calls that stand still. */
  get state(): string {
    const { asked, ended, cancelled } = this.#source ?? {};
    const { locked } = this.#readable;
    return JSON.stringify({ locked, asked, ended, cancelled, stats: this.#stats?.() });
  }

  do(deed: Deed): void {
    switch (deed.do) {
      case "write":
        for (const plan of deed.items) this.#write(plan);
        break;
      case "values":
        this.#try("values", () => this.#iterators.push(this.#values(deed)));
        break;
      case "loop":
        this.#tell("loop", this.#loop(deed));
        break;
      case "next":
      case "return": {
        const place = this.#iterators.length - 1 - deed.which;
        const iterator = this.#iterators[place];
        // Deno forgets that some calls wait, and then reads for two at once.
        if (!iterator || this.#asked.has(iterator)) break;
        const asked: Promise<unknown>[] = [];
        for (let times = 0; times < deed.times; times++) {
          const result = deed.do === "next" ? iterator.next() : iterator.return!("returned");
          this.#tell(`${deed.do} ${place}`, result);
          asked.push(result);
        }
        this.#asked.add(iterator);
        Promise.allSettled(asked).then(() => this.#asked.delete(iterator));
        break;
      }
      case "settle": {
        const call = this.#calls.shift();
        if (deed.fails) call?.reject("failed");
        else call?.resolve(undefined);
        break;
      }
      case "leave":
        this.#loops.shift()?.resolve();
        break;
      case "getReader":
        this.#try("getReader", () => this.#reader = this.#readable.getReader());
        break;
      case "read":
        if (this.#reader) this.#tell("read", this.#reader.read());
        break;
      case "releaseLock":
        this.#reader?.closed.catch(() => {});
        this.#reader?.releaseLock();
        this.#reader = undefined;
        break;
      case "cancelReader":
        if (this.#reader) this.#tell("cancelReader", this.#reader.cancel("cancelled"));
        break;
      case "cancel":
        this.#tell("cancel", this.#readable.cancel("cancelled"));
        break;
      case "close":
        if (this.#writer && !this.#closed) this.#tell("close", this.#writer.close());
        this.#closed = true;
        this.#source?.end();
        break;
      case "abort":
        if (this.#writer) this.#tell("abort", this.#writer.abort("aborted"));
        this.#source?.fail("aborted");
        break;
      case "signal":
        this.#own.abort("signalled");
    }
  }

  #write(plan: Plan): void {
    const item = this.#plans.push(plan) - 1;
    if (this.#source?.open) this.#source.feed(item);
    // Node rejects a write after a close with an internal assertion.
    else if (this.#writer && !this.#closed) this.#tell("write", this.#writer.write(item));
  }

  async #loop(options: { preventCancel: boolean; turns: number }): Promise<unknown> {
    let { turns } = options;
    for await (const value of this.#values(options)) {
      this.log.push(`turn ${told(value)}`);
      if (turns-- > 0) continue;
      // Ours is quicker by some microtasks: it would leave before the other lets in another item.
      const leave = gate();
      this.#loops.push(leave);
      await leave.promise;
      return "left";
    }
    return "over";
  }

  #try(name: string, deed: () => void): void {
    try {
      deed();
    } catch (error) {
      this.log.push(`${name} throws ${told(error)}`);
    }
  }

  #tell(name: string, promise: Promise<unknown>): void {
    promise.then(
      (value) => this.log.push(`${name} gives ${told(value)}`),
      (error) => this.log.push(`${name} fails: ${told(error)}`),
    );
  }
}

/** As text, the same for both. */
function told(value: unknown): string {
  const { name, done, value: item } = Object(value);
  if (typeof done === "boolean") return `${told(item)}, ${done}`;
  return typeof name === "string" ? name : JSON.stringify(value) ?? "undefined";
}

/** The listener of the event. */
function hearer(line: string): string {
  if (/^(write|close|abort)/.test(line)) return "producer";
  return /^(next|return) (\d+)/.exec(line)?.[2] ?? line.slice(0, line.indexOf(" "));
}

class IteratorRun extends Run<Deed> {
  readonly #ours: Side;
  readonly #native: Side;

  constructor(setup: Setup, clock: Clock) {
    super(clock);
    this.#ours = new Side(setup, false);
    this.#native = new Side(setup, true);
  }

  do(deed: Deed): void {
    this.#ours.do(deed);
    this.#native.do(deed);
  }

  protected check(): void {
    const [ours, native] = [this.#ours, this.#native];
    // Within a turn ours is quicker by some microtasks, so only the order for each listener counts.
    for (const { log } of [ours, native]) {
      log.sort((a, b) => hearer(a) < hearer(b) ? -1 : +(hearer(a) > hearer(b)));
    }
    const at = ours.log.findIndex((line, n) => line !== native.log[n]);
    const log = (side: Side) => side.log.slice(at < 0 ? ours.log.length : at).join("; ");
    this.must(
      at < 0 && ours.log.length === native.log.length,
      `ours: ${log(ours)}\n  native: ${log(native)}`,
    );
    ours.log.length = native.log.length = 0;
    this.must(ours.state === native.state, `ours: ${ours.state}\n  native: ${native.state}`);
  }

  async finish(): Promise<void> {
    this.do({ do: "signal" });
    await this.quiet();
    for (let which = 0; which < 3; which++) this.do({ do: "next", which, times: 1 });
    await this.quiet();
  }
}

/**
 * The steps that may come in one turn. After the end of a stream, ours releases the lock a
 * microtask later, so no step asks for it at that time. A quicker reader has read more when a call
 * fails. And ours hands over a ready chunk at once, not in a microtask that a signal, or in Node an
 * abort, still precedes.
 */
function atOnce(deeds: readonly Deed[]): readonly Deed[] {
  const locks = (deed: Deed) => ["values", "loop", "getReader", "cancel"].includes(deed.do);
  const asks = deeds.some((deed) => deed.do === "next" || deed.do === "loop");
  const fails = (deed: Deed) =>
    deed.do === "settle" ? deed.fails : asks && ["signal", "abort"].includes(deed.do);
  return [
    ...deeds.filter(locks).slice(0, 1),
    ...deeds.filter((deed) => !locks(deed) && !fails(deed)),
  ];
}

const deeds: fc.Arbitrary<Deed> = fc.oneof(
  often(
    6,
    fc.array(fc.constantFrom<Plan>("by hand", "at once", "at once"), {
      minLength: 1,
      maxLength: 4,
    }).map((items) => ({ do: "write" as const, items })),
  ),
  often(
    3,
    fc.record({
      do: fc.constantFrom("values", "values", "loop"),
      preventCancel: fc.boolean(),
      turns: fc.nat(2),
    }),
  ),
  often(
    8,
    fc.record({
      do: fc.constantFrom("next", "next", "next", "next", "next", "return"),
      which: fc.constantFrom(0, 0, 0, 1),
      times: fc.constantFrom(1, 1, 1, 2, 3),
    }),
  ),
  often(3, fc.record({ do: fc.constant("settle" as const), fails: fc.nat(9).map((n) => n === 0) })),
  often(3, simply("getReader", "read", "read", "releaseLock", "releaseLock")),
  often(1, simply("leave", "cancelReader", "cancel", "close", "abort", "signal")),
);

/** The races. */
export const races: readonly Race[] = suite([
  race({
    name: "iterator",
    promise: "The iterator of BatchStream and MapStream [4.18] does the same as the " +
      "platform's own in every schedule",
    setups: fc.record({
      of: fc.constantFrom("map", "batch"),
      front: fc.constantFrom<Front>("writer", "stream", "iterator"),
      size: fc.integer({ min: 1, max: 3 }),
      tells: fc.boolean(),
    }),
    steps: fc.oneof(
      often(4, deeds),
      often(
        1,
        fc.array(deeds, { minLength: 2, maxLength: 4 })
          .map((steps) => ({ do: "together" as const, steps: atOnce(steps) })),
      ),
    ) as fc.Arbitrary<Steps & Step>,
    start: (setup, clock) => new IteratorRun(setup, clock) as never,
  }),
]);

/** There are no explorations, because both are compared with each other, and not with a model. */
export const explorations: readonly Exploration[] = [];
