/** What telemetry finds out about a batch, and about the result of its handler. */

import { isSpanContextValid, type Link, type SpanContext } from "@opentelemetry/api";
import { guard } from "./guard.ts";

/** Finds the span of an item. */
export type SpanOf = (item: unknown) => SpanContext | undefined;

/** Returns the span that an item comes from, if there is a valid one. */
export function spanFrom(spanOf: SpanOf, item: unknown): SpanContext | undefined {
  return guard("spanOf", () => {
    const span = spanOf(item);
    return span && isSpanContextValid(span) ? span : undefined;
  });
}

/** Returns the number of items in a batch, if the batch shows it. */
export function count(batch: unknown): number | undefined {
  if (Array.isArray(batch)) return batch.length;
  const size = (batch as { readonly size?: unknown } | null | undefined)?.size;
  return typeof size === "number" ? size : undefined;
}

/** Returns a link to each span that the items come from, each span once. */
export function linksOf(batch: unknown, spanOf: SpanOf): Link[] {
  if (!Array.isArray(batch)) return [];
  const links = new Map<string, Link>();
  for (const item of batch) {
    const context = spanFrom(spanOf, item);
    if (context) links.set(`${context.traceId} ${context.spanId}`, { context });
  }
  return [...links.values()];
}

/**
 * Returns the errors among the entries for the items, or a promise of them if an entry is a
 * promise. An array of another length is not a list of entries: the function doesn't look into it.
 */
export function failuresOf(
  result: unknown,
  size: number | undefined,
): unknown[] | Promise<unknown[]> {
  if (!Array.isArray(result) || result.length !== size) return [];
  const errors: unknown[] = [];
  const waits: Promise<void>[] = [];
  const fail = (error: unknown): void => void errors.push(error);
  const judge = (entry: unknown): void => {
    if (isError(entry)) fail(entry);
  };
  // By index, because the array may have holes.
  for (let place = 0; place < result.length; place++) {
    try {
      const entry = result[place];
      // A thenable that isn't a promise may start work when you call `then`: leave that to the
      // sink.
      if (entry instanceof Promise) {
        waits.push(new Promise((resolve) => resolve(entry)).then(judge).catch(fail));
      } else judge(entry);
    } catch (error) {
      fail(error);
    }
  }
  return waits.length === 0 ? errors : Promise.all(waits).then(() => errors);
}

/**
 * Whether a value is an error of any realm. An `Aggregator` uses the same test for a failed item.
 */
export function isError(value: unknown): value is Error {
  return typeof value === "object" && value !== null && "message" in value &&
    (value instanceof Error ||
      /^\[object (Error|DOMException)]$/.test(Object.prototype.toString.call(value)));
}
