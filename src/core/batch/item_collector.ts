import {
  check,
  FUNCTION,
  LIMIT_OR_NONE,
  needs,
  overweight,
  POSITIVE,
  type Rule,
  type Rules,
  weightOf,
} from "../shared/options.ts";
import { type BulkCollector, COLLECTOR, type Collector } from "./batch_buffer.ts";

/** The limits of a batch as the user gave them, or the collector instead of them. */
export interface RawLimits<T, B> {
  maxItems?: number | undefined;
  maxWeight?: number | undefined;
  weigh?: ((item: T) => number) | undefined;
  oversize?: "alone" | "error" | undefined;
  collector?: (() => Collector<T, B>) | undefined;
}

/** The names of the limits in messages. */
export interface LimitNames {
  readonly maxWeight: string;
  readonly weigh: string;
}

/** The limits of a batch, completed. */
export interface BatchLimits<T, B> {
  /** `Infinity` if it is unknown. */
  readonly maxItems: number;
  /** How many items the collector takes at once; 0 if it takes them one by one. */
  readonly bulk: number;
  /** Makes a collector. */
  readonly collect: () => Collector<T, B>;
}

/** What happens to an item that alone is too large. */
export const OVERSIZE: Rule = [
  "string",
  'be "alone" or "error"',
  (value: string) => value === "alone" || value === "error",
];

/** The rules of {@linkcode RawLimits}. */
export const LIMITS: Rules<keyof RawLimits<never, never>> = {
  maxItems: LIMIT_OR_NONE,
  maxWeight: POSITIVE,
  weigh: FUNCTION,
  oversize: OVERSIZE,
  collector: FUNCTION,
};

/** Checks that the limits go together, and fills in the missing ones. */
export function completeLimits<T, B>(
  owner: string,
  raw: RawLimits<T, B>,
  names: LimitNames = { maxWeight: "maxWeight", weigh: "weigh" },
): BatchLimits<T, B> {
  const { collector, maxWeight = Infinity, weigh, oversize = "alone" } = raw;
  if (collector) {
    const beside = Object.keys(raw).find((name) => name in LIMITS && name !== "collector");
    if (beside) {
      throw new TypeError(`${owner}: option "collector" is instead of option "${beside}"`);
    }
    return {
      maxItems: Infinity,
      bulk: 0,
      collect: () => check(owner, "collector", collector(), COLLECTOR),
    };
  }
  needs(owner, raw, "maxWeight", "weigh");
  needs(owner, raw, "weigh", "maxWeight");
  const { maxItems = maxWeight === Infinity ? 1000 : Infinity } = raw;
  const rule = `be finite where "${names.maxWeight}" is not`;
  check(owner, "maxItems", maxItems, [
    "number",
    rule,
    () => Math.min(maxItems, maxWeight) < Infinity,
  ]);
  const limits = { owner, names, maxItems, maxWeight, weigh, oversize };
  const collect = (): Collector<T, unknown> => new ItemCollector(limits);
  return { maxItems, bulk: weigh ? 0 : maxItems, collect: collect as never };
}

/** The limits of an {@linkcode ItemCollector}, checked. */
interface ItemLimits<T> {
  readonly owner: string;
  readonly names: LimitNames;
  readonly maxItems: number;
  readonly maxWeight: number;
  readonly weigh: ((item: T) => number) | undefined;
  readonly oversize: "alone" | "error";
}

/** Gathers items in an array, up to a count and a weight. */
class ItemCollector<T> implements Collector<T, T[]>, BulkCollector<T> {
  readonly #limits: ItemLimits<T>;
  private items: T[] = [];
  private weight = 0;
  /** The weight of the last item that `fits` got. */
  private next = 0;
  /** A field, because it is read more often than it changes. */
  full = false;

  private readonly weighed: boolean;
  private readonly maxItems: number;
  private readonly maxWeight: number;

  constructor(limits: ItemLimits<T>) {
    this.#limits = limits;
    // More than any array holds, and small enough for engines to keep it as an integer.
    this.maxItems = Math.min(limits.maxItems, 2 ** 30 - 1);
    this.weighed = limits.weigh !== undefined;
    this.maxWeight = limits.maxWeight;
  }

  get size(): number {
    return this.items.length;
  }

  fits(item: T): boolean {
    const { owner, names, maxWeight, weigh, oversize } = this.#limits;
    if (!weigh) return true;
    const weight = weightOf(owner, names.weigh, weigh, item);
    if (weight > maxWeight && oversize === "error") {
      overweight(owner, weight, names.maxWeight, maxWeight);
    }
    this.next = weight;
    return this.weight + weight <= maxWeight;
  }

  add(item: T): void {
    const { items } = this;
    // Faster than `push` where some batches have numbers, and others have objects.
    items[items.length] = item;
    this.full = items.length >= this.maxItems;
    if (this.weighed) this.#addWeight();
  }

  #addWeight(): void {
    this.weight += this.next;
    if (this.weight >= this.maxWeight) this.full = true;
  }

  addAll(items: T[]): void {
    if (this.size === 0) this.items = items;
    else for (const item of items) this.items.push(item);
    this.full = this.size >= this.maxItems;
  }

  take(): T[] {
    const items = this.items;
    this.items = [];
    this.weight = 0;
    this.full = false;
    return items;
  }
}
