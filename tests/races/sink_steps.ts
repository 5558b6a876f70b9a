/** The steps of a sink, and the state of its items. */

import fc from "fast-check";
import { advance, often, simply } from "./race.ts";
import type { Advance } from "./race.ts";

/** The setup of every sink. */
export interface SinkSetup {
  readonly concurrency: number;
  readonly keyed: boolean;
  readonly timed: boolean;
  /** Whether a handler that runs on after its timeout holds its slot. */
  readonly holds: boolean;
  /**
   * The front: calls without or with a `snapshot`, a writer, a pipe, or the sources of `consume`.
   */
  readonly front: "plain" | "snapshot" | "writer" | "pipe" | "consume";
  readonly onError: "absent" | "sync" | "async" | "throws" | "rejects";
  /** The delay of a retry. Without it there is no retry. */
  readonly retry?: number | undefined;
  /** The most waiting items of one key. Without it there is no limit. */
  readonly keyCapacity?: number | undefined;
  /** The most weight of waiting items. Without it there is no limit. */
  readonly capacityWeight?: number | undefined;
  /** The longest wait of an item. Without it there is no limit. */
  readonly maxWait?: number | undefined;
  /** The most starts in an interval of milliseconds. */
  readonly rate?: { readonly limit: number; readonly interval: number };
  /** Whether each call has a signal, by which it may leave. */
  readonly leaves?: boolean;
}

/**
 * How a handler ends. In a batch, "one" gives an `Error` as the last result, and "count" leaves one
 * result out. "gives up" rejects, with the reason of the end if there is one.
 */
export type End = "done" | "fails" | "one" | "count" | "gives up";

/** The plan for the handler of this item. In a batch the first item's plan counts. */
export interface Plan {
  readonly key: number;
  readonly weight: number;
  readonly ends: "by hand" | "at once" | "throws";
  /** Its action on its own sink when it starts. */
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

/** Changes of the concurrency by a handler: to 0, or one more. */
type Slots = "pause" | "widen";

/** The ways to add an item. */
export type Way = "tryPush" | "trySubmit" | "push" | "submit" | "write";

/**
 * The ways to wait or to end. `end` and `break` concern the source of a pipe or a `consume`, and
 * `stop` the signal of a `consume`.
 */
export type Order = "flush" | "idle" | "close" | "abort" | "signal" | "end" | "break" | "stop";

/** One step. */
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
  /** The call that adds it has not returned. */
  arriving?: boolean;
  /** There was no room when it came, and late items went before it. */
  crowded?: boolean;
  /** It waits for room for its key. */
  kept?: boolean;
  /** Its batch, of an `Aggregator` with a `maxWait`. */
  batch?: Batch;
  /** The batch that it opens is due at once. */
  due?: boolean;
  /** The time of the first look at it. */
  acceptedAt?: number;
  job?: Job | undefined;
  end?: "done" | "failed" | "discarded";
  /** Whether the stream wrote it. */
  written?: boolean;
  /** Whether `weigh` was called for it. */
  weighed?: boolean;
  /** The error of user code when it came in. */
  refused?: { readonly error: unknown };
  /** The outcome of its `submit`. */
  told?: Verdict;
  /** The controller by which its caller may leave, and how it has left. */
  caller?: AbortController;
  left?: { readonly reason: unknown };
  /** Its retry, with the other items of that. */
  again?: Again;
}

/** Items that the handler gets together. */
export interface Batch {
  readonly items: Item[];
  /** The time since when it is due. */
  dueAt?: number;
  /** Whether it takes no more items. */
  closed: boolean;
}

/** Items of a retry. */
export interface Again {
  readonly items: readonly Item[];
  /** The number of their attempts. */
  readonly attempts: number;
  /** The start and the end of their delay; unknown while their handler runs on. */
  since?: number;
  due: number;
  /** The time when the delay was found to be over. */
  readyAt?: number;
}

/** The outcome of an item. */
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
  /** The number of attempts of these items, including this one. */
  readonly attempt: number;
  /** The errors and items for which `retry` is due. */
  asked?: Map<unknown, Item[]> | undefined;
  again?: Again | undefined;
  over: boolean;
  /**
   * Whether an asynchronous `onError` holds the slot; "perhaps" from its end to the next quiet
   * moment.
   */
  held: "no" | "yes" | "perhaps";
  /** Whether it has timed out and its promise is pending. */
  overruns: boolean;
  /** The errors and items that only `onError` gets. */
  untold?: Map<unknown, Item[]>;
  /** The items that it has given up, before `onDiscard` is called. */
  given?: Item[] | undefined;
  /** Settles its promise, which may be pending after the job has ended. */
  settle?: ((end: End) => void) | undefined;
}

/** The error of an item without a result. */
export const MISSING: unique symbol = Symbol("missing");

/** The error of a late item. */
export const LATE: unique symbol = Symbol("late");

/** The error of an item that is heavier than the limit. */
export const HEAVY: unique symbol = Symbol("heavy");

/** The largest weight of an item. */
export const HEAVIEST = 7;

/** The distribution of items. */
export interface Manners {
  readonly ways: readonly Way[];
  readonly ends: readonly End[];
  readonly advances: readonly number[];
  readonly orders?: readonly Order[];
  readonly leaves?: boolean;
  /** Handlers add and end nothing, because another item may be coming in at that time. */
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
