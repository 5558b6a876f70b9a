/** Models the batches of an `Aggregator`, and since when each is due. */

import type { Batch, Item } from "./sink_steps.ts";

/** The waiting batches, if only their count is bounded. */
export class Batches {
  readonly #maxItems: number;
  readonly #linger: number;
  /** The last batch of each key. */
  readonly #last = new Map<unknown, Batch>();

  constructor({ maxItems, linger }: { readonly maxItems: number; readonly linger: number }) {
    this.#maxItems = maxItems;
    this.#linger = linger;
  }

  /** Adds an accepted item to the open batch of its key. */
  add(item: Item, key: unknown, now: number): void {
    let batch = this.#last.get(key);
    if (!batch || !isOpen(batch)) this.#last.set(key, batch = { items: [], closed: false });
    batch.items.push(item);
    item.batch = batch;
    if (batch.items.length === this.#maxItems) close(batch, now);
  }

  /** Batches whose linger is over are due, but still gather. */
  look(now: number): void {
    for (const batch of this.#last.values()) {
      if (isOpen(batch) && batch.items[0]!.acceptedAt! + this.#linger <= now) batch.dueAt ??= now;
    }
  }

  /** Closes all batches. */
  closeAll(now: number): void {
    for (const batch of this.#last.values()) close(batch, now);
  }
}

/** Closes a batch, which is due now at the latest. */
export function close(batch: Batch, now: number): void {
  batch.closed = true;
  batch.dueAt ??= now;
}

/** Whether the next item of its key joins a batch: it has not started, and was not discarded. */
function isOpen({ items, closed }: Batch): boolean {
  return !closed && items.every(({ job, end, again }) => !job && !end && !again);
}
