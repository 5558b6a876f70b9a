/** Which items an `Aggregator` has in one batch, and since when that is due. */

import type { Batch, Item } from "./sink_steps.ts";

/** The batches that wait, where nothing but their count bounds them. */
export class Batches {
  readonly #maxItems: number;
  readonly #linger: number;
  /** Of each key the last one. */
  readonly #last = new Map<unknown, Batch>();

  constructor({ maxItems, linger }: { readonly maxItems: number; readonly linger: number }) {
    this.#maxItems = maxItems;
    this.#linger = linger;
  }

  /** It is accepted, and joins the batch of its key that takes more. */
  add(item: Item, key: unknown, now: number): void {
    let batch = this.#last.get(key);
    if (!batch || !isOpen(batch)) this.#last.set(key, batch = { items: [], closed: false });
    batch.items.push(item);
    item.batch = batch;
    if (batch.items.length === this.#maxItems) close(batch, now);
  }

  /** Those that have lingered long enough are due; they go on gathering. */
  look(now: number): void {
    for (const batch of this.#last.values()) {
      if (isOpen(batch) && batch.items[0]!.acceptedAt! + this.#linger <= now) batch.dueAt ??= now;
    }
  }

  /** None gathers on. */
  closeAll(now: number): void {
    for (const batch of this.#last.values()) close(batch, now);
  }
}

/** It is due at the latest now, and takes no more. */
export function close(batch: Batch, now: number): void {
  batch.closed = true;
  batch.dueAt ??= now;
}

/** Whether the next of its key joins it: it has not started, and was not given up. */
function isOpen({ items, closed }: Batch): boolean {
  return !closed && items.every(({ job, end, again }) => !job && !end && !again);
}
