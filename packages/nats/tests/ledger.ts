/** Deliveries that record their settlements. */

import { type Delivery, delivery } from "../delivery.ts";

/** The settlements, in order, such as `ack 1` and `nak 2 1000`. */
export class Ledger {
  readonly log: string[] = [];

  /** Makes a delivery by `delivery()`. */
  one<T>(value: T, deliveries?: number): Delivery<T> {
    return delivery(value, {
      ack: () => void this.log.push(`ack ${value}`),
      nak: (delay) => void this.log.push(`nak ${value} ${delay ?? "now"}`),
      term: () => void this.log.push(`term ${value}`),
      deliveries,
    });
  }

  /** Makes several deliveries. */
  some(...values: number[]): Delivery<number>[] {
    return values.map((value) => this.one(value));
  }

  /** Makes a delivery of a custom broker, without a `settled` property. */
  bare<T>(value: T, deliveries?: number): Delivery<T> {
    return {
      value,
      ...(deliveries !== undefined && { deliveries }),
      ack: () => void this.log.push(`ack ${value}`),
      nak: (delay) => void this.log.push(`nak ${value} ${delay ?? "now"}`),
    };
  }

  /** Returns the settlements since the last call. */
  take(): string[] {
    return this.log.splice(0);
  }
}

/** The values of a batch. */
export function valuesOf<T>(batch: readonly Delivery<T>[]): T[] {
  return batch.map(({ value }) => value);
}
