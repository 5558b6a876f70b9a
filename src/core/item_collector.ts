import type { Collector } from "./batcher.ts";
import {
  checkDuration,
  checkFunction,
  checkLimit,
  checkSignal,
  checkWord,
  complaint,
  show,
} from "./options.ts";

/** The limits of a batch, checked, and what they are called by those who gave them. */
export interface ItemLimits<T> {
  readonly owner: string;
  readonly names: { readonly maxWeight: string; readonly weigh: string };
  readonly maxItems: number;
  readonly maxWeight: number;
  readonly weigh: ((item: T) => number) | undefined;
  readonly oversize: "alone" | "error";
}

/** The limits of a batch as they are given. */
export interface GivenLimits<T> {
  maxItems?: number | undefined;
  maxWeight?: number | undefined;
  weigh?: ((item: T) => number) | undefined;
  oversize?: "alone" | "error" | undefined;
}

const NAMES = { maxWeight: "maxWeight", weigh: "weigh" };

/** Checks the limits of a batch and fills in those that are not given. */
export function checkLimits<T>(
  owner: string,
  given: GivenLimits<T>,
  names: ItemLimits<T>["names"] = NAMES,
): ItemLimits<T> {
  const { maxWeight = Infinity, weigh, oversize = "alone" } = given;
  checkLimit(owner, names.maxWeight, maxWeight, "or Infinity");
  checkFunction(owner, names.weigh, weigh, "optional");
  if ((given.maxWeight === undefined) !== (weigh === undefined)) {
    const [here, missing] = weigh ? ["weigh", "maxWeight"] : ["maxWeight", "weigh"];
    throw new TypeError(`${owner}: option "${here}" needs option "${missing}"`);
  }
  checkWord(owner, "oversize", oversize, ["alone", "error"]);
  const { maxItems = maxWeight === Infinity ? 1000 : Infinity } = given;
  checkLimit(owner, "maxItems", maxItems, "or Infinity");
  if (maxItems === Infinity && maxWeight === Infinity) {
    const rule = `finite where "${names.maxWeight}" is not`;
    throw new RangeError(complaint(owner, "maxItems", rule, maxItems));
  }
  return { owner, names, maxItems, maxWeight, weigh, oversize };
}

/** What `CollectStream` is to be told where batches are arrays of items. Checked. */
export class ItemBatching<T> {
  readonly collector: () => Collector<T, T[]>;
  readonly linger: number;
  readonly signal: AbortSignal | undefined;

  constructor(
    limits: ItemLimits<T>,
    given: { linger?: number | undefined; signal?: AbortSignal | undefined },
  ) {
    this.collector = () => itemCollector(limits);
    const { linger = Infinity, signal } = given;
    this.linger = checkDuration(limits.owner, "linger", linger, "or zero");
    this.signal = checkSignal(limits.owner, "signal", signal);
  }
}

/** The collector that holds these limits. */
export function itemCollector<T>(limits: ItemLimits<T>): Collector<T, T[]> {
  const { weigh } = limits;
  return weigh ? new WeighingCollector(limits, weigh) : new CountingCollector(limits.maxItems);
}

/** Items in an array, up to a count. */
class CountingCollector<T> implements Collector<T, T[]> {
  readonly #maxItems: number;
  #items: T[] = [];
  /** A field, because it is read more often than it changes. */
  full = false;

  constructor(maxItems: number) {
    this.#maxItems = maxItems;
  }

  get size(): number {
    return this.#items.length;
  }

  add(item: T): void {
    this.full = this.#items.push(item) >= this.#maxItems;
  }

  take(): T[] {
    const items = this.#items;
    this.#items = [];
    this.full = false;
    return items;
  }
}

/** Items in an array, up to a count and a weight. */
class WeighingCollector<T> extends CountingCollector<T> {
  readonly #limits: ItemLimits<T>;
  readonly #weigh: (item: T) => number;
  #weight = 0;
  /** Of the item that `fits` was asked about last. */
  #next = 0;

  constructor(limits: ItemLimits<T>, weigh: (item: T) => number) {
    super(limits.maxItems);
    this.#limits = limits;
    this.#weigh = weigh;
  }

  fits(item: T): boolean {
    const weigh = this.#weigh;
    const { maxWeight } = this.#limits;
    const weight = weigh(item);
    this.#next = weight;
    if (!(typeof weight === "number" && weight >= 0 && weight <= maxWeight && weight < Infinity)) {
      this.#checkWeight(weight);
    }
    return this.#weight + weight <= maxWeight;
  }

  override add(item: T): void {
    super.add(item);
    this.#weight += this.#next;
    if (this.#weight >= this.#limits.maxWeight) this.full = true;
  }

  override take(): T[] {
    this.#weight = 0;
    return super.take();
  }

  #checkWeight(weight: unknown): void {
    const { owner, names, maxWeight, oversize } = this.#limits;
    const rule = "return a finite number of at least 0";
    const message = `${owner}: option "${names.weigh}" must ${rule}; got ${show(weight)}`;
    if (typeof weight !== "number") throw new TypeError(message);
    if (!(weight >= 0 && weight < Infinity)) throw new RangeError(message);
    if (oversize === "error") {
      throw new RangeError(
        `${owner}: an item of weight ${weight} is over option "${names.maxWeight}" of ${maxWeight}`,
      );
    }
  }
}
