/** What can be known of a batch, and of what its handler has returned. */

import { isSpanContextValid, type Link, type SpanContext } from "@opentelemetry/api";
import { guard } from "./guard.ts";

/** Where the span of an item is found. */
export type SpanOf = (item: unknown) => SpanContext | undefined;

/** The span that an item comes from, where there is one that is valid. */
export function spanFrom(spanOf: SpanOf, item: unknown): SpanContext | undefined {
  return guard("spanOf", () => {
    const span = spanOf(item);
    return span && isSpanContextValid(span) ? span : undefined;
  });
}

/** How many items are in it, where that can be known. */
export function count(batch: unknown): number | undefined {
  if (Array.isArray(batch)) return batch.length;
  const size = (batch as { readonly size?: unknown } | null | undefined)?.size;
  return typeof size === "number" ? size : undefined;
}

/** A link to each span that its items come from, each span once. */
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
 * The errors among the entries for its items; a promise of them where there are promises among those. An
 * array of another length is no list of entries: nothing in it is looked at.
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
  // By place: it may have holes.
  for (let place = 0; place < result.length; place++) {
    try {
      const entry = result[place];
      // A thenable that is no promise may start work when it is asked: that is for the sink to do.
      if (entry instanceof Promise) {
        waits.push(new Promise((resolve) => resolve(entry)).then(judge).catch(fail));
      } else judge(entry);
    } catch (error) {
      fail(error);
    }
  }
  return waits.length === 0 ? errors : Promise.all(waits).then(() => errors);
}

/** Whether it is an error, of any realm: what an `Aggregator` takes for the failure of an item. */
export function isError(value: unknown): value is Error {
  return typeof value === "object" && value !== null && "message" in value &&
    (value instanceof Error ||
      /^\[object (Error|DOMException)]$/.test(Object.prototype.toString.call(value)));
}
