/** Brings the context of an item, or the spans of a batch's items, from the push to the handler. */

import { context, type SpanContext, trace } from "@opentelemetry/api";
import { guard, within } from "./guard.ts";

/** Runs a handler in the context of its item's push: `Runner` of `@weir/streams`. */
export type Runner = <R>(run: () => R) => R;

/**
 * For the option `snapshot` of a sink: **the handler runs in the OpenTelemetry context of the
 * push**, with its active span and its baggage. A batch runs in the context of its first item. It
 * needs a registered context manager, and has no effect without one.
 *
 * @returns A function that runs the handler in that context.
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
 * An item, and the span that was active when you wrapped it. {@linkcode carry} makes it.
 *
 * @typeParam T The type of the value.
 */
export class Carried<T> {
  /** The value that you gave to {@linkcode carry}. */
  readonly value: T;
  /** The span that was active at that time, if there was one. */
  readonly spanContext: SpanContext | undefined;

  /**
   * Makes an item yourself, for example if its span came in a header.
   *
   * @param value The value.
   * @param spanContext The span that the value comes from.
   */
  constructor(value: T, spanContext?: SpanContext) {
    this.value = value;
    this.spanContext = spanContext;
  }
}

/**
 * Wraps an item together with the active span, for a sink whose items are `Carried<T>`. An
 * instrumented handler then **links the span of a batch to the spans of its items**. It takes
 * values of any type. It costs one object per item, which lives as long as the item is in the sink.
 *
 * @param value The value. The handler, `key`, `weigh`, `onError` and `onDiscard` find it in
 * `item.value`.
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

/** Returns the span that an item carries, if it carries one. */
export function carriedSpan(item: unknown): SpanContext | undefined {
  return item instanceof Carried ? item.spanContext : undefined;
}
