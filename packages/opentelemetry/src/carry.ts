/** From the push to the handler: the context of one item, and the spans of the items of a batch. */

import { context, type SpanContext, trace } from "@opentelemetry/api";
import { guard, within } from "./guard.ts";

/** Runs a handler in the context that its item came from: `Runner` of `@weir/streams`. */
export type Runner = <R>(run: () => R) => R;

/**
 * For the option `snapshot` of a sink: **its handler runs in the OpenTelemetry context of the push**,
 * with its active span and its baggage. A batch runs in that of the item that opened it. It asks the
 * context manager that is registered, so it works wherever that does; without one it has no effect.
 *
 * @returns What runs the handler.
 *
 * @example
 * ```ts
 * import { Fanout } from "@weir/streams/fanout";
 * import { snapshot } from "@weir/opentelemetry";
 * import { assertEquals } from "@std/assert";
 *
 * const lengths = new Fanout((word: string) => word.length, { snapshot });
 * assertEquals(await lengths.submit("weir"), 4);
 * ```
 */
export function snapshot(): Runner {
  const active = guard("context.active", () => context.active());
  return (run) => within(active, run);
}

/**
 * An item and the span in which it was pushed. Made by {@linkcode carry}.
 *
 * @typeParam T The type of the value.
 */
export class Carried<T> {
  /** What was given to {@linkcode carry}. */
  readonly value: T;
  /** The span that was active then, if there was one. */
  readonly spanContext: SpanContext | undefined;

  /**
   * Makes an item by hand, such as one whose span came in a header.
   *
   * @param value The value.
   * @param spanContext The span that it came from.
   */
  constructor(value: T, spanContext?: SpanContext) {
    this.value = value;
    this.spanContext = spanContext;
  }
}

/**
 * Wraps an item together with the active span, for a sink whose items are `Carried<T>`: an
 * instrumented handler **links the span of a batch to those of its items**. It costs one object an
 * item, which lives as long as the item in the sink, and works for values of any type.
 *
 * @param value What the handler, `key`, `weigh`, `onError` and `onDiscard` find in `value`.
 * @returns The item to push.
 *
 * @example
 * ```ts
 * import { Aggregator } from "@weir/streams/aggregator";
 * import { carry, type Carried, instrumentBatch } from "@weir/opentelemetry";
 * import { assertEquals } from "@std/assert";
 *
 * const rows: string[] = [];
 * const insert = (batch: Carried<string>[]) => {
 *   rows.push(...batch.map(({ value }) => value));
 * };
 * const writer = new Aggregator(instrumentBatch(insert, { destination: "rows" }), {
 *   key: (row) => row.value[0],
 * });
 * await writer.consume(["ada", "lin"].map(carry));
 * assertEquals(rows, ["ada", "lin"]);
 * ```
 */
export function carry<T>(value: T): Carried<T> {
  return new Carried(value, guard("carry", () => trace.getSpan(context.active())?.spanContext()));
}

/** The span that an item carries, if it carries one. */
export function carriedSpan(item: unknown): SpanContext | undefined {
  return item instanceof Carried ? item.spanContext : undefined;
}
