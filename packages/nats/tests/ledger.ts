/** Deliveries that note how they are settled. */

import { type Delivery, delivery } from "../delivery.ts";

/** What happened to deliveries, in order, such as `ack 1` and `nak 2 1000`. */
export class Ledger {
  readonly log: string[] = [];

  /** A delivery of `delivery()`. */
  one<T>(value: T, deliveries?: number): Delivery<T> {
    return delivery(value, {
      ack: () => void this.log.push(`ack ${value}`),
      nak: (delay) => void this.log.push(`nak ${value} ${delay ?? "now"}`),
      term: () => void this.log.push(`term ${value}`),
      deliveries,
    });
  }

  /** Some of them. */
  some(...values: number[]): Delivery<number>[] {
    return values.map((value) => this.one(value));
  }

  /** A delivery of a broker of a user's own, which knows nothing of what it was told. */
  bare<T>(value: T, deliveries?: number): Delivery<T> {
    return {
      value,
      ...(deliveries !== undefined && { deliveries }),
      ack: () => void this.log.push(`ack ${value}`),
      nak: (delay) => void this.log.push(`nak ${value} ${delay ?? "now"}`),
    };
  }

  /** What has happened since the last call. */
  take(): string[] {
    return this.log.splice(0);
  }
}

/** The values of a batch. */
export function valuesOf<T>(batch: readonly Delivery<T>[]): T[] {
  return batch.map(({ value }) => value);
}
