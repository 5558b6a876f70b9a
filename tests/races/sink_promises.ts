/** Models the promises that a sink returns, and checks their outcomes. */

import type { SinkStats } from "../../mod.ts";
import type { HandSource } from "./hand_source.ts";
import { HEAVY, type Item, LATE, MISSING } from "./sink_steps.ts";

/** The call that returned a promise. */
export type Kind =
  | ("push" | "submit" | "write")
  | ("flush" | "idle" | "close" | "writer close" | "closed" | "abort" | "writer abort")
  | ("pipe" | "consume");

/** Its item. */
export interface About {
  readonly item?: Item;
  /** The items that had reached the sink at the flush. */
  readonly covered?: readonly Item[];
  readonly source?: HandSource<Item> | undefined;
}

interface Promised extends About {
  readonly kind: Kind;
  /** How often the sink had been idle when the promise was made. */
  readonly idled: number;
  state: "pending" | "fulfilled" | "rejected";
  value?: unknown;
}

/** The state of the sink. */
export interface Moment {
  readonly stats: SinkStats;
  /** In the order of acceptance. The last of them may still wait for room. */
  readonly offers: readonly Item[];
  readonly idled: number;
  /** Whether that is so now. */
  readonly resting: boolean;
  /** Written, but not yet at the sink. */
  readonly coming: number;
  readonly first: { readonly error: unknown } | undefined;
  readonly closing: boolean;
}

/** All of them. */
export class Promises {
  readonly #all: Promised[] = [];
  #closed = false;

  /** Whether a `close()` has resolved. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The promises that have not settled. */
  get pending(): readonly string[] {
    return this.#all.filter(({ state }) => state === "pending").map(({ kind }) => kind);
  }

  add(
    kind: Kind,
    { resting, idled }: Moment,
    call: () => Promise<unknown>,
    about: About = {},
  ): void {
    const entry: Promised = { kind, idled: resting ? -1 : idled, state: "pending", ...about };
    this.#all.push(entry);
    call().then((value) => {
      entry.state = "fulfilled";
      entry.value = value;
      if (kind === "close" || kind === "writer close" || kind === "pipe") this.#closed = true;
    }, (error) => {
      entry.state = "rejected";
      entry.value = error;
    });
  }

  /** Returns the problems at a quiet moment. */
  complaint(moment: Moment): string | undefined {
    const wrong = this.#all.find((promised) => !this.#isRight(promised, moment));
    if (!wrong) return;
    const { kind, state, value } = wrong;
    const error = (value as { error?: unknown } | undefined)?.error ?? value;
    return `${kind} is ${state}${state === "rejected" ? `: ${String(error)}` : ""}`;
  }

  #isRight(promised: Promised, now: Moment): boolean {
    const { kind, item, covered, idled, state, value } = promised;
    if (item?.left) return state === "rejected" && value === item.left.reason;
    if (item?.refused) return state === "rejected" && isSame(value, item.refused.error);
    const { offers, first, closing, stats: { accepted, waiting, running } } = now;
    if (state === "rejected" && !["abort", "writer abort", "submit", "consume"].includes(kind)) {
      if (kind === "idle") return false;
      // The stream rejects a second close.
      if (kind === "writer close" && (this.#closed || value instanceof TypeError)) return true;
      // Node throws an internal assertion at a write after close.
      const node = (value as { code?: string })?.code === "ERR_INTERNAL_ASSERTION";
      if (!node && !isRefusal(value, now)) return false;
      if (kind === "close" && value !== first?.error) return false;
    }
    switch (kind) {
      case "push":
      case "write": {
        const place = offers.indexOf(item!);
        if (place >= 0 && place < accepted) return state === "fulfilled";
        return first ? state === "rejected" : place < 0 || state === "pending";
      }
      case "submit": {
        if (!offers.includes(item!)) return state === "rejected" && isRefusal(value, now);
        const { told } = item!;
        if (!told) {
          return first ? state === "rejected" && value === first.error : state === "pending";
        }
        return state === (told.failed ? "rejected" : "fulfilled") && isSame(value, told.value);
      }
      case "flush": {
        for (const item of covered!) {
          const gone = item.left && !offers.includes(item);
          if (!item.end && !item.refused && !gone) {
            return state === (first ? "rejected" : "pending");
          }
        }
        return first !== undefined || state === "fulfilled";
      }
      case "idle":
        if (now.resting) return state === "fulfilled";
        return state === "pending" || now.idled > idled;
      case "abort":
        return state === "fulfilled";
      case "pipe":
      case "close":
      case "writer close":
      case "closed": {
        if (first) return kind === "closed" ? value === first.error : state !== "pending";
        if (kind === "closed" && !closing) return state === "pending";
        if (waiting + running > 0 || offers.length > accepted) return state !== "fulfilled";
        return !closing || now.coming > 0 || state !== "pending";
      }
      case "consume":
        return consumed(promised, now);
      default:
        return true;
    }
  }
}

function consumed({ source, state, value }: Promised, now: Moment): boolean {
  const { first } = now;
  const { broken, ended, cancelled, left, given } = source!;
  const settled = [...given].every(({ end }) => end);
  if (state === "fulfilled") return ended && !broken && settled;
  // If both sides fail at once, either error may come first.
  if (state === "rejected") {
    return first?.error === value ||
      (settled || first !== undefined) &&
        (broken?.error === value || isRefusal(value, now) ||
          (left !== undefined && left.reason === value));
  }
  return !first && !(settled && (ended || cancelled || left));
}

/** Whether an error is the expected one, or has the kind of an error that the sink makes. */
export function isSame(value: unknown, expected: unknown): boolean {
  if (expected === MISSING) return value instanceof TypeError;
  if (expected === HEAVY) return value instanceof RangeError;
  return expected === LATE ? isTimeout(value) : value === expected;
}

/** The error of a timeout, or of a late item. */
export function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}

/** Whether a sink in this state refuses items with this error. */
export function isRefusal(error: unknown, { first, closing }: Moment): boolean {
  return (first !== undefined && first.error === error) || (closing && error instanceof TypeError);
}
