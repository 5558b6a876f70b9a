/** {@linkcode instrument} and {@linkcode instrumentBatch} measure and trace a handler. */

import type { Attributes, Meter, SpanContext, Tracer } from "@opentelemetry/api";
import { type CallContext, Measured, Telemetry } from "./calls.ts";
import { carriedSpan } from "./carry.ts";
import { count, failuresOf, linksOf, spanFrom, type SpanOf } from "./batch.ts";
import { guard } from "./guard.ts";
import { ATTRIBUTES, check, checkAll, FUNCTION, METER, NAME, TRACER } from "./options.ts";

/** A handler of items: the handler of a `Fanout`, or the function of a `MapStream`. */
// `any` lets each handler keep its own types.
// deno-lint-ignore no-explicit-any
export type Handler = (item: any, context: any) => unknown;

/**
 * A handler of batches: the handler of an `Aggregator`, or of a `Fanout` behind a `BatchStream`.
 */
// deno-lint-ignore no-explicit-any
export type BatchHandler = (batch: any, context: any) => unknown;

/** The type of an item of a batch. */
export type ItemOf<B> = B extends Iterable<infer T> ? T : never;

/**
 * Options of {@linkcode instrument} and {@linkcode instrumentBatch}.
 *
 * @typeParam T The type of the items.
 */
export interface InstrumentOptions<T = unknown> {
  /** Where the items come from: `messaging.destination.name`. A string that is not empty. */
  readonly destination: string;
  /**
   * The system that delivers the items: `messaging.system`, such as `"kafka"`. A string that is not
   * empty.
   *
   * @default {"weir"}
   */
  readonly system?: string | undefined;
  /**
   * The operation: `messaging.operation.name`. A string that is not empty. It is the first word of
   * a span's name, such as `process mails`.
   *
   * @default {"process"}
   */
  readonly operation?: string | undefined;
  /**
   * More attributes of each metric and each span. Use few different values: each makes a series.
   */
  readonly attributes?: Attributes | undefined;
  /**
   * Returns the span that an item comes from, for example from the headers of a message. If it
   * throws, the error goes to `diag.error` of the API, and the item has no span.
   *
   * @default the span of an item of {@linkcode carry}
   */
  readonly spanOf?: ((item: T) => SpanContext | undefined) | undefined;
  /**
   * The tracer, which makes the spans.
   *
   * @default {trace.getTracer("@weir/opentelemetry")}
   */
  readonly tracer?: Tracer | undefined;
  /**
   * The meter, which makes the instruments.
   *
   * @default {metrics.getMeter("@weir/opentelemetry")} of the provider that is registered at the first
   * call of the handler
   */
  readonly meter?: Meter | undefined;
}

const RULES = {
  destination: NAME,
  system: NAME,
  operation: NAME,
  attributes: ATTRIBUTES,
  spanOf: FUNCTION,
  tracer: TRACER,
  meter: METER,
};

/**
 * Returns a handler that does the same as yours, and measures and traces it. It records
 * `messaging.process.duration`, `messaging.client.consumed.messages`, and
 * `weir.queue.wait.duration` if the sink has a `maxWait`. It makes a span, which is active while
 * the handler runs.
 *
 * - **Type**: it has the type of your handler, so `submit` gives the same results.
 * - **Results and errors** are passed on unchanged, and `this` too. A promise becomes another
 *   promise of the same value. An error sets the status of the span and `error.type`.
 * - **Failures of telemetry** never reach the sink: an error of the SDK, of `spanOf`, or of a look
 *   at an error goes to `diag.error` of the API. The handler runs once.
 * - **Parent**: the span that the item carries, by {@linkcode carry} or `spanOf`. Otherwise it is
 *   the active span, which the option `snapshot` of the sink brings from the push. Without either,
 *   the parent may be the span of any other item: a sink promises no context.
 * - **Time**: the measurement ends when the handler settles, even if the sink's `timeout` has ended
 *   the item before. That failure counts in `weir.queue.failed`.
 * - **Attempts**: each attempt of a `retry` is a separate call. From the second on, the span has
 *   `weir.attempt`.
 *
 * @param handler Handles each item.
 * @param options The names, the tracer and the meter.
 * @returns The handler to give to a sink.
 * @throws {TypeError} If the handler is no function, or an option is of the wrong kind, unknown, or
 * missing.
 * @throws {RangeError} If a name is empty.
 *
 * @example
 * ```ts
 * import { Fanout } from "@weir/streams/fanout";
 * import { instrument, snapshot } from "@weir/opentelemetry";
 * import { assertEquals } from "@std/assert";
 *
 * const pages = new Fanout(
 *   instrument((path: string) => Promise.resolve(`<h1>${path}</h1>`), { destination: "pages" }),
 *   { concurrency: 4, maxWait: 1000, snapshot },
 * );
 * assertEquals(await pages.submit("/"), "<h1>/</h1>");
 * ```
 */
export function instrument<H extends Handler>(
  handler: H,
  options: InstrumentOptions<Parameters<H>[0]>,
): H {
  check("instrument", "handler", handler, FUNCTION);
  checkAll("instrument", options, RULES, "destination");
  const telemetry = new Telemetry(options);
  const { spanOf = carriedSpan } = options;
  const run = function (this: unknown, item: unknown, context: CallContext): unknown {
    const call = new Measured(telemetry, context, { parent: spanFrom(spanOf as SpanOf, item) });
    return call.run(
      () => handler.call(this, item, context),
      (_result, failure) => call.end(1, failure),
    );
  };
  return run as H;
}

/**
 * The same for a handler of batches. It also records `weir.batch.size`, and the span has
 * `messaging.batch.message_count`.
 *
 * - **Links**: if items carry spans, by {@linkcode carry} or `spanOf`, the span of the batch starts
 *   a new trace, with a link to each of those spans. Otherwise it is a child of the active span.
 * - **Single failures**: an entry in the array that an `Aggregator`'s handler returns may be an
 *   `Error`, or a promise of one. Each counts as a message with its `error.type`.
 *   `weir.batch.failed` of the span is their number. The call itself has not failed.
 * - **Other batches**: a `collector` may make batches that aren't arrays. They are counted if they
 *   have a `size`, and have no links.
 *
 * @param handler Handles each batch.
 * @param options The names, the tracer and the meter.
 * @returns The handler to give to a sink.
 * @throws {TypeError} If the handler is no function, or an option is of the wrong kind, unknown, or
 * missing.
 * @throws {RangeError} If a name is empty.
 *
 * @example
 * ```ts
 * import { Aggregator } from "@weir/streams/aggregator";
 * import { instrumentBatch } from "@weir/opentelemetry";
 * import { assertEquals } from "@std/assert";
 *
 * const select = (ids: number[]) => ids.map((id) => id > 0 ? `user ${id}` : new Error("no user"));
 * const users = new Aggregator(instrumentBatch(select, { destination: "users" }), { linger: 0 });
 * const name: string = await users.submit(1);
 * assertEquals(name, "user 1");
 * ```
 */
export function instrumentBatch<H extends BatchHandler>(
  handler: H,
  options: InstrumentOptions<ItemOf<Parameters<H>[0]>>,
): H {
  check("instrumentBatch", "handler", handler, FUNCTION);
  checkAll("instrumentBatch", options, RULES, "destination");
  const telemetry = new Telemetry(options);
  const { spanOf = carriedSpan } = options;
  const run = function (this: unknown, batch: unknown, context: CallContext): unknown {
    const size = guard("a look at a batch", () => count(batch));
    const links = guard("a look at a batch", () => linksOf(batch, spanOf as SpanOf)) ?? [];
    const call = new Measured(telemetry, context, { links, size });
    return call.run(
      () => handler.call(this, batch, context),
      (result, failure) => {
        const errors = failure
          ? []
          : guard("a look at entries", () => failuresOf(result, size)) ?? [];
        if (errors instanceof Promise) errors.then((all) => call.end(size!, undefined, all));
        else call.end(size ?? 0, failure, errors);
      },
    );
  };
  return run as H;
}
