/**
 * Plays schedules of handlers and hooks with `acked` in a sink. After each step its promises must
 * hold. The schedule decides everything; nothing here is random.
 */

import { Aggregator, BatchStream, Fanout } from "../../../mod.ts";
import { acked, type Delivery } from "../delivery.ts";
import { type Clock, withClock } from "../../../tests/support/clock.ts";
import { type Gate, gate, macrotask } from "../../../tests/support/gate.ts";

import { complaintAtEnd, complaintNow, type Known, makeKnown } from "./acked_known.ts";

/** The sink and its options. */
export interface Setup {
  readonly kind: "single" | "batches" | "behind" | "aggregator";
  /** Whether the sink has the options of the handler. The next five apply only to such a sink. */
  readonly managed: boolean;
  readonly attempts: number;
  readonly timeout: number | undefined;
  readonly maxWait: number | undefined;
  readonly overrun: "release" | "hold";
  readonly onError: boolean;
  readonly concurrency: number;
  readonly maxDeliveries: number | undefined;
  /** Whether deliveries have a `settled` property. */
  readonly made: boolean;
  /** The actions of the first calls, in the turn of their start. */
  readonly first: readonly End[];
}

/** How a handler ends. */
export interface End {
  readonly how: "done" | "throw" | "parts" | "echo";
  /** The entries that are errors, and the deliveries that the handler settles itself, as bits. */
  readonly wrong: number;
  readonly own: number;
}

/** What happens. */
export type Step =
  | { readonly do: "push"; readonly counts: readonly number[] }
  | { readonly do: "end"; readonly which: number; readonly end: End }
  | { readonly do: "poison"; readonly which: number; readonly fails: boolean }
  | { readonly do: "advance"; readonly ms: number }
  | { readonly do: "abort" | "close" };

interface Call {
  readonly list: readonly Known[];
  readonly batch: boolean;
  readonly signal: AbortSignal;
  readonly over: Gate<unknown>;
}

interface Poison {
  readonly known: Known;
  readonly over: Gate;
}

/** Plays a schedule. Rejects with the first broken promise. */
export function play(setup: Setup, steps: readonly Step[]): Promise<void> {
  return withClock(async (clock) => {
    const run = new Run(setup, clock);
    for (const step of steps) {
      await run.do(step);
      await run.quiet();
    }
    await run.finish();
    if (clock.pending > 0) throw new Error("a timer is left");
  });
}

class Run {
  readonly #setup: Setup;
  readonly #clock: Clock;
  readonly #all: Known[] = [];
  readonly #calls: Call[] = [];
  readonly #poisons: Poison[] = [];
  readonly #first: End[];
  readonly #stop = new AbortController();
  readonly #sink: Fanout<never> | Aggregator<never>;
  readonly #writer: WritableStreamDefaultWriter<Delivery<Known>> | undefined;
  #ended = false;
  /** The cause of the sink's end. */
  #reason: unknown;
  #errors = 0;
  #wrong: string | undefined;

  constructor(setup: Setup, clock: Clock) {
    this.#setup = setup;
    this.#clock = clock;
    this.#first = [...setup.first];
    const { kind, managed, concurrency, maxDeliveries } = setup;
    const settings = maxDeliveries === undefined ? {} : {
      maxDeliveries,
      onPoison: ({ value }: Delivery<Known>, error: unknown) => this.#onPoison(value, error),
    };
    const one = acked(
      (given: Delivery<Known>, { signal }) => this.#start([given], signal),
      settings,
    );
    const many = acked(
      (batch: Delivery<Known>[], { signal }) => this.#start(batch, signal, true),
      settings,
    );
    const common = { concurrency, signal: this.#stop.signal };
    const hooks = {
      ...common,
      ...(setup.onError && {
        onError: (error: unknown, told: Delivery<Known> | Delivery<Known>[]) => {
          for (const { value } of [told].flat()) value.errors++;
          this.#must(error instanceof Error, `onError got ${error}`);
        },
      }),
    };
    const options = !managed ? hooks : {
      ...hooks,
      timeout: setup.timeout,
      maxWait: setup.maxWait,
      overrun: setup.overrun,
      retry: (_error: unknown, attempt: number) => attempt <= setup.attempts ? 5 : undefined,
      onDiscard: (items: (Delivery<Known> | Delivery<Known>[])[]) => {
        for (const { value } of items.flat()) value.discards++;
      },
    };
    const work = (kind === "single" ? one : many) as typeof one;
    const given = (managed ? work.options(options) : options) as typeof common;
    this.#sink = kind === "aggregator"
      ? new Aggregator(many, { ...given, maxItems: 3, linger: 5 } as never)
      : new Fanout(work, given) as never;
    this.#sink.closed.catch((reason) => {
      this.#ended = true;
      this.#reason = reason;
    });
    if (kind === "behind") {
      const batches = new BatchStream<Delivery<Known>>({ maxItems: 3, linger: 5 });
      batches.readable.pipeTo(this.#sink as never).catch(() => {});
      this.#writer = batches.writable.getWriter();
      this.#writer.closed.catch(() => {});
    }
  }

  async do(step: Step): Promise<void> {
    switch (step.do) {
      case "push":
        return this.#push(step.counts);
      case "end": {
        const call = this.#calls[step.which % this.#calls.length];
        return call && this.#end(call, step.end);
      }
      case "poison": {
        const poison = this.#poisons[step.which % this.#poisons.length];
        return poison && this.#endPoison(poison, step.fails);
      }
      case "advance":
        return await this.#clock.tick(step.ms);
      case "abort":
        this.#ended = true;
        return this.#stop.abort(new Error("deploy"));
      case "close":
        return this.#close();
    }
  }

  /** Lets all tasks run, and checks. */
  async quiet(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await macrotask();
    for (const known of this.#all) this.#wrong ??= complaintNow(known);
    if (this.#wrong !== undefined) throw new Error(this.#wrong);
  }

  /** Brings everything to its end, and checks that nothing is left. */
  async finish(): Promise<void> {
    this.#close();
    let idle = false;
    for (let round = 0; round < 200 && !idle; round++) {
      for (const call of [...this.#calls]) this.#end(call, { how: "done", wrong: 0, own: 0 });
      for (const poison of [...this.#poisons]) this.#endPoison(poison, false);
      void this.#sink.idle().then(() => idle = true);
      await this.#clock.tick(10);
      await this.quiet();
      idle &&= this.#calls.length + this.#poisons.length === 0;
    }
    this.#must(idle, "the sink is not idle");
    const left = !this.#setup.managed && this.#ended;
    for (const known of this.#all) this.#wrong ??= complaintAtEnd(known, this.#setup, left);
    await this.quiet();
  }

  #close(): void {
    if (this.#writer) this.#writer.close().catch(() => {});
    else this.#sink.close().catch(() => {});
  }

  #push(counts: readonly number[]): void {
    const batch = counts.map((count) => this.#make(count));
    const push = (item: unknown): boolean => {
      try {
        return this.#sink.tryPush(item as never);
      } catch {
        return false;
      }
    };
    const { kind } = this.#setup;
    // The handler may start inside this call.
    for (const known of batch) known.accepted = kind !== "behind";
    if (kind === "behind") {
      for (const { given } of batch) this.#writer!.write(given).catch(() => {});
    } else if (kind === "batches") {
      if (!push(batch.map(({ given }) => given))) {
        for (const known of batch) known.accepted = false;
      }
    } else for (const known of batch) known.accepted = push(known.given);
  }

  #make(count: number): Known {
    const known = makeKnown(this.#all.length, count, this.#setup.made);
    this.#all.push(known);
    return known;
  }

  #start(batch: readonly Delivery<Known>[], signal: AbortSignal, many = false): unknown {
    const list = batch.map(({ value }) => value);
    const { maxDeliveries = Infinity } = this.#setup;
    for (const known of list) {
      known.accepted = true;
      known.signals.push(signal);
      this.#must(known.settled.length === 0, `${known.id} is handled, and was settled`);
      this.#must(known.count <= maxDeliveries, `${known.id} is handled, and came too late`);
      const alone = known.count < maxDeliveries || list.length === 1;
      this.#must(alone, `${known.id} is at its last delivery, and is not alone`);
    }
    const call: Call = { list, batch: many, signal, over: gate<unknown>() };
    this.#calls.push(call);
    const end = this.#first.shift();
    if (end) this.#end(call, end);
    return call.over.promise;
  }

  #end(call: Call, { how, wrong, own }: End): void {
    this.#calls.splice(this.#calls.indexOf(call), 1);
    const { list, signal, over } = call;
    const late = signal.aborted && signal.reason?.name === "TimeoutError";
    // A timeout has ended the sink, its own or another's.
    const unsure = late && signal.reason === this.#reason;
    const done = (known: Known, right: boolean): void => {
      known.unsure ||= unsure;
      if (late || known.settled.length > 0) return;
      if (right) known.done = true;
      else known.failed = true;
    };
    list.forEach((known, place) => {
      if (!(own & 1 << place) || !this.#setup.made || known.settled.length > 0) return;
      known.own = true;
      if (place % 2 === 0) known.given.ack();
      else known.given.nak(7);
    });
    const error = new Error(`failure ${++this.#errors}`);
    if (how === "parts" && call.batch) {
      const bad = (place: number): boolean => (wrong & 1 << place) !== 0;
      list.forEach((known, place) => done(known, !bad(place)));
      over.resolve(list.map((_, place) => {
        if (!bad(place)) return place;
        return place % 2 === 0 ? error : Promise.reject(new Error(`failure ${++this.#errors}`));
      }));
    } else if (how === "done" || how === "parts") {
      for (const known of list) done(known, true);
      over.resolve(undefined);
    } else {
      for (const known of list) done(known, false);
      over.reject(how === "throw" ? error : signal.reason ?? new DOMException("", "AbortError"));
    }
  }

  #onPoison(known: Known, error: unknown): Promise<void> {
    const { maxDeliveries = 0 } = this.#setup;
    const { id, count, failed, unsure } = known;
    this.#must(count >= maxDeliveries, `${id} is poison, and has more deliveries`);
    this.#must((count > maxDeliveries) === (error === undefined), `${id} is poison with ${error}`);
    const timed = known.signals.some(({ aborted, reason }) =>
      aborted && reason?.name === "TimeoutError"
    );
    const tried = failed || timed || unsure;
    this.#must(count > maxDeliveries || tried, `${id} is poison, and has not failed`);
    const poison = { known, over: gate() };
    this.#poisons.push(poison);
    return poison.over.promise;
  }

  #endPoison(poison: Poison, fails: boolean): void {
    this.#poisons.splice(this.#poisons.indexOf(poison), 1);
    if (fails) poison.over.reject(new Error("no store"));
    else {
      poison.known.poisoned = true;
      poison.over.resolve();
    }
  }

  #must(right: boolean, complaint: string): void {
    if (!right) this.#wrong ??= complaint;
  }
}
