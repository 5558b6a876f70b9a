/** What is done to a sink, and what is known of its items. */

import fc from "fast-check";
import { advance, often, simply } from "./race.ts";
import type { Advance } from "./race.ts";

/** How every sink is made. */
export interface SinkSetup {
  readonly concurrency: number;
  readonly keyed: boolean;
  readonly timed: boolean;
  /** A handler that runs on after its time keeps its slot. */
  readonly holds: boolean;
  /** Who writes: nobody, and without or with a `context`; a writer; a pipe; the sources of `consume`. */
  readonly front: "plain" | "snapshot" | "writer" | "pipe" | "consume";
  readonly onError: "absent" | "sync" | "async" | "throws" | "rejects";
  /** How long what has failed waits until it goes again; where it is absent nothing does. */
  readonly retry?: number | undefined;
  /** How many items of one key may wait; where it is absent any number. */
  readonly keyCapacity?: number | undefined;
  /** What the items that wait may weigh; where it is absent anything. */
  readonly capacityWeight?: number | undefined;
  /** How long an item may wait for its handler; where it is absent any time. */
  readonly maxWait?: number | undefined;
  /** So many start in so many milliseconds. */
  readonly rate?: { readonly limit: number; readonly interval: number };
  /** Each call has a signal, by which it may leave. */
  readonly leaves?: boolean;
}

/**
 * How a handler ends: with an `Error` as the last of its results, or with one missing, in a batch; it
 * gives up, with the reason of the end if that has come.
 */
export type End = "done" | "fails" | "one" | "count" | "gives up";

/** What the handler does that is given this item; in a batch it is up to the first. */
export interface Plan {
  readonly key: number;
  readonly weight: number;
  readonly ends: "by hand" | "at once" | "throws";
  /** Done to its own sink when it starts. */
  readonly act:
    | "nothing"
    | "tryPush"
    | "push"
    | "submit"
    | "flush"
    | "close"
    | "abort"
    | "leave"
    | Slots;
}

/** What a handler does to the number of its like: none more start, or one more may. */
type Slots = "pause" | "widen";

/** Ways in. */
export type Way = "tryPush" | "trySubmit" | "push" | "submit" | "write";

/**
 * Ways to wait, and to an end; `end` and `break` are of the source that is piped or consumed, `stop` is
 * of who consumes it.
 */
export type Order = "flush" | "idle" | "close" | "abort" | "signal" | "end" | "break" | "stop";

/** One thing that is done to the sink. */
export type SinkStep =
  | { readonly do: Way; readonly plans: readonly Plan[] }
  | { readonly do: "settle"; readonly which: readonly { nth: number; end: End }[] }
  | { readonly do: "concurrency"; readonly to: number }
  | { readonly do: "leave"; readonly nth: number }
  | { readonly do: Order };

/** An item, from its offer to its end. */
export interface Item {
  readonly plan: Plan;
  readonly submitted: boolean;
  /** The call that brings it has not returned. */
  arriving?: boolean;
  /** There was no room when it came: what had waited too long went before it. */
  crowded?: boolean;
  /** It waits outside for room of its own key. */
  kept?: boolean;
  /** That it is in, of an `Aggregator` with a `maxWait`. */
  batch?: Batch;
  /** The batch that it opens need not wait. */
  due?: boolean;
  /** By the clock of the first look at it. */
  acceptedAt?: number;
  job?: Job | undefined;
  end?: "done" | "failed" | "discarded";
  /** By the stream. */
  written?: boolean;
  /** Its weight was asked for. */
  weighed?: boolean;
  /** User code threw when it was to be taken in. */
  refused?: { readonly error: unknown };
  /** What `submit` was told. */
  told?: Verdict;
  /** By which its caller may leave, once the call has returned; and it has. */
  caller?: AbortController;
  left?: { readonly reason: unknown };
  /** It has run, and goes again: with these. */
  again?: Again;
}

/** Items that go to the handler together. */
export interface Batch {
  readonly items: Item[];
  /** Since when it need not wait any longer. */
  dueAt?: number;
  /** It takes no more. */
  closed: boolean;
}

/** Items that go to the handler again. */
export interface Again {
  readonly items: readonly Item[];
  /** How often they have run. */
  readonly attempts: number;
  /** When their time began, and when it is over; unknown while their handler runs on. */
  since?: number;
  due: number;
  /** When it was seen to be over. */
  readyAt?: number;
}

/** What becomes of an item. */
export interface Verdict {
  readonly failed: boolean;
  readonly value: unknown;
}

/** One call of the handler. */
export interface Job {
  readonly items: readonly Item[];
  readonly key: unknown;
  readonly startedAt: number;
  readonly signal: AbortSignal | undefined;
  /** How often these items have run, this time included. */
  readonly attempt: number;
  /** What `retry` is to be asked, and of which items. */
  asked?: Map<unknown, Item[]> | undefined;
  again?: Again | undefined;
  over: boolean;
  /** By an asynchronous `onError`; perhaps, from its end to the next quiet moment. */
  held: "no" | "yes" | "perhaps";
  /** Its time is up, and its promise open. */
  overruns: boolean;
  /** What nobody but `onError` is to be told, and of which items. */
  untold?: Map<unknown, Item[]>;
  /** What it has given up, and `onDiscard` has not been told. */
  given?: Item[] | undefined;
  /** While its promise is open, though it may be over. */
  settle?: ((end: End) => void) | undefined;
}

/** The error of an item of which there is no result. */
export const MISSING: unique symbol = Symbol("missing");

/** The error of an item that has waited too long. */
export const LATE: unique symbol = Symbol("late");

/** The error of an item that is heavier than all that may wait. */
export const HEAVY: unique symbol = Symbol("heavy");

/** The most that an item weighs. */
export const HEAVIEST = 7;

/** What most items are like. */
export interface Manners {
  readonly ways: readonly Way[];
  readonly ends: readonly End[];
  readonly advances: readonly number[];
  readonly orders?: readonly Order[];
  readonly leaves?: boolean;
  /** Handlers bring and end nothing: it could be while another item is about to come in. */
  readonly shy?: boolean;
}

/** The steps of a sink. */
export function sinkSteps(
  { ways, ends, advances, orders = [], leaves = false, shy = false }: Manners,
): fc.Arbitrary<SinkStep | Advance> {
  const plan = fc.record({
    key: fc.nat(2),
    weight: fc.nat(HEAVIEST),
    ends: fc.constantFrom(
      ...["by hand", "by hand", "by hand", "by hand", "at once", "throws"] as const,
    ),
    act: fc.oneof(
      often(12, fc.constant("nothing" as const)),
      ...(shy ? [] : [
        often(4, fc.constantFrom("tryPush" as const, "push" as const, "submit" as const)),
        often(2, fc.constantFrom("flush" as const, "close" as const, "abort" as const)),
      ]),
      often(1, fc.constantFrom("pause" as const, "widen" as const)),
      ...(leaves ? [often(2, fc.constant("leave" as const))] : []),
    ),
  }, { noNullPrototype: true });
  const plans = fc.array(plan, { minLength: 1, maxLength: 3, size: "max" });
  const which = fc.array(
    fc.record({ nth: fc.nat(3), end: fc.constantFrom(...ends) }, { noNullPrototype: true }),
    { minLength: 1, maxLength: 3, size: "max" },
  );
  return fc.oneof(
    often(
      14,
      fc.tuple(fc.constantFrom(...ways), plans).map(([way, plans]) => ({ do: way, plans })),
    ),
    often(9, which.map((which) => ({ do: "settle" as const, which }))),
    often(4, advance(...advances)),
    often(3, simply("flush", "idle", ...orders)),
    often(2, fc.nat(4).map((to) => ({ do: "concurrency" as const, to }))),
    often(1, simply("close", "abort", "signal")),
    ...(leaves ? [often(5, fc.nat(4).map((nth) => ({ do: "leave" as const, nth })))] : []),
  );
}
