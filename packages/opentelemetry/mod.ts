/**
 * OpenTelemetry for `@weir/streams`. {@linkcode observe} exports the `stats` of a sink, a stream or
 * a `Singleflight`. {@linkcode instrument} and {@linkcode instrumentBatch} measure and trace a
 * handler. {@linkcode snapshot} and {@linkcode carry} bring the span of the push to the handler.
 *
 * It depends only on `@opentelemetry/api`, and works with any SDK. It recognizes objects by their
 * shape, so it works with any version of `@weir/streams` that has these `stats`.
 *
 * @example The queue of a sink as metrics, its handler measured and traced
 * ```ts
 * import { Fanout } from "@weir/streams/fanout";
 * import { instrument, observe, snapshot } from "@weir/opentelemetry";
 * import { assertEquals } from "@std/assert";
 *
 * const send = async (to: string) => {
 *   await Promise.resolve();
 *   return to.length;
 * };
 * const mails = new Fanout(instrument(send, { destination: "mails" }), { concurrency: 16, snapshot });
 * using _observation = observe(mails, { name: "mails" });
 *
 * assertEquals(await mails.submit("ada@example.org"), 15);
 * ```
 *
 * @module
 */

export { Carried, carry, type Runner, snapshot } from "./src/carry.ts";
export {
  type BatchHandler,
  type Handler,
  instrument,
  instrumentBatch,
  type InstrumentOptions,
  type ItemOf,
} from "./src/instrument.ts";
export { type Observable, type Observation, observe, type ObserveOptions } from "./src/observe.ts";
