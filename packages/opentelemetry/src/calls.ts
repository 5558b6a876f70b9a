/** The engine of `instrument`: the span and the measurements of one call of a handler. */

import {
  type Attributes,
  type Context,
  context,
  type Counter,
  type Histogram,
  type Link,
  type Meter,
  metrics,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import { isError } from "./batch.ts";
import { guard, within } from "./guard.ts";
import { CALLS, counterOf, histogramOf } from "./metrics.ts";
import { SCOPE, VERSION } from "./version.ts";

/** The part of a handler's context that telemetry reads. */
export interface CallContext {
  readonly attempt?: number | undefined;
  /** In milliseconds. */
  readonly waited?: number | undefined;
}

/** The names, the tracer and the meter, already checked. */
export interface TelemetryOptions {
  readonly destination: string;
  readonly system?: string | undefined;
  readonly operation?: string | undefined;
  readonly attributes?: Attributes | undefined;
  readonly tracer?: Tracer | undefined;
  readonly meter?: Meter | undefined;
}

/** The error that a handler threw, or rejected with. It may be `undefined`. */
export interface Failure {
  readonly error: unknown;
}

interface Instruments {
  readonly duration: Histogram;
  readonly messages: Counter;
  readonly size: Histogram;
  readonly wait: Histogram;
}

/** The state that all calls of a handler share. */
export class Telemetry {
  readonly spanName: string;
  readonly attributes: Attributes;
  readonly spanAttributes: Attributes;
  readonly tracer: Tracer;
  readonly #meter: Meter | undefined;
  #instruments: Instruments | undefined;

  constructor(options: TelemetryOptions) {
    const { destination, system = "weir", operation = "process", attributes } = options;
    this.spanName = `${operation} ${destination}`;
    this.attributes = {
      ...attributes,
      "messaging.system": system,
      "messaging.destination.name": destination,
      "messaging.operation.name": operation,
    };
    this.spanAttributes = { ...this.attributes, "messaging.operation.type": "process" };
    this.tracer = options.tracer ?? trace.getTracer(SCOPE, VERSION);
    this.#meter = options.meter;
  }

  /** Made at the first call, because a meter of the API never finds a provider that comes later. */
  get instruments(): Instruments {
    if (this.#instruments) return this.#instruments;
    const meter = this.#meter ?? metrics.getMeter(SCOPE, VERSION);
    return this.#instruments = {
      duration: histogramOf(meter, CALLS.duration),
      messages: counterOf(meter, CALLS.messages),
      size: histogramOf(meter, CALLS.size),
      wait: histogramOf(meter, CALLS.wait),
    };
  }
}

/** The facts about a call before it starts. */
export interface Call {
  /** The number of items, if the call handles a batch and the batch shows its size. */
  readonly size?: number | undefined;
  /** The span that the item comes from. */
  readonly parent?: SpanContext | undefined;
  /** The spans that the items of a batch come from. */
  readonly links?: Link[];
}

/** One call of a handler. Only the handler can throw here: each other step has its own guard. */
export class Measured {
  readonly #telemetry: Telemetry;
  readonly #start = performance.now();
  /** `undefined` if the tracer failed to start it. */
  #span: Span | undefined;
  #context: Context | undefined;

  constructor(telemetry: Telemetry, given: CallContext | undefined, { size, parent, links }: Call) {
    const { attributes } = telemetry;
    this.#telemetry = telemetry;
    guard("startSpan", () => {
      const active = this.#context = context.active();
      const linked = links !== undefined && links.length > 0;
      const options = {
        kind: SpanKind.CONSUMER,
        attributes: attributesOf(telemetry, size, given?.attempt),
        ...(linked && { links, root: true }),
      };
      const from = parent ? trace.setSpanContext(active, parent) : active;
      this.#span = telemetry.tracer.startSpan(telemetry.spanName, options, from);
      this.#context = trace.setSpan(active, this.#span);
    });
    guard("record", () => {
      const { instruments } = telemetry;
      if (size !== undefined) instruments.size.record(size, attributes, this.#context);
      if (given?.waited !== undefined) {
        instruments.wait.record(given.waited / 1000, attributes, this.#context);
      }
    });
  }

  /** Runs the handler in its span, reports the outcome, and passes on the result or the error. */
  run(handler: () => unknown, onEnd: (result: unknown, failure?: Failure) => void): unknown {
    let result: unknown;
    try {
      result = within(this.#context, handler);
    } catch (error) {
      onEnd(undefined, { error });
      throw error;
    }
    if (!isThenable(result)) {
      onEnd(result);
      return result;
    }
    // Calls `then` once: a thenable that isn't a promise may start work each time.
    // `Promise.resolve` would read the `constructor` of a promise, which may throw.
    return new Promise((resolve) => resolve(result)).then((value) => {
      onEnd(value);
      return value;
    }, (error) => {
      onEnd(undefined, { error });
      throw error;
    });
  }

  /** Ends the call, which handled `count` items. `errors` are the failures of single items. */
  end(count: number, failure?: Failure, errors: readonly unknown[] = []): void {
    const seconds = (performance.now() - this.#start) / 1000;
    const { attributes } = this.#telemetry;
    const own = failure ? failed(attributes, failure.error) : attributes;
    guard("record", () => {
      this.#telemetry.instruments.duration.record(seconds, own, this.#context);
    });
    guard("add", () => {
      const { messages } = this.#telemetry.instruments;
      const alone = count - errors.length;
      if (alone > 0) messages.add(alone, own, this.#context);
      for (const error of errors) messages.add(1, failed(attributes, error), this.#context);
    });
    const span = this.#span;
    if (!span) return;
    if (failure) fail(span, failure.error);
    if (errors.length > 0) {
      guard("setAttribute", () => span.setAttribute("weir.batch.failed", errors.length));
    }
    guard("end", () => span.end());
  }
}

/** Returns the attributes of the span. Most calls share one object. */
function attributesOf(
  { spanAttributes }: Telemetry,
  size: number | undefined,
  attempt: number | undefined,
): Attributes {
  const again = attempt !== undefined && attempt > 1;
  if (size === undefined && !again) return spanAttributes;
  const attributes = { ...spanAttributes };
  if (size !== undefined) attributes["messaging.batch.message_count"] = size;
  if (again) attributes["weir.attempt"] = attempt;
  return attributes;
}

function failed(attributes: Attributes, error: unknown): Attributes {
  return { ...attributes, "error.type": typeOf(error) };
}

function fail(span: Span, error: unknown): void {
  const known = isKnown(error);
  const given = known ? guard("error.message", () => error.message) : undefined;
  const message = given ?? describe(error);
  guard("setAttribute", () => span.setAttribute("error.type", typeOf(error)));
  guard("setStatus", () => span.setStatus({ code: SpanStatusCode.ERROR, message }));
  guard("recordException", () => span.recordException(known ? error : describe(error)));
}

/** Returns the `error.type`. The convention asks for few values. */
function typeOf(error: unknown): string {
  const name = isKnown(error) ? guard("error.name", () => error.name) : undefined;
  return typeof name === "string" ? name : "_OTHER";
}

/** A revoked proxy throws at any look at it. */
function isKnown(error: unknown): error is Error {
  return guard("a look at an error", () => isError(error)) ?? false;
}

/** Describes an error. It never runs code of the value, and never returns an empty string. */
function describe(error: unknown): string {
  return Object(error) === error ? "an object" : String(error) || "an empty string";
}

/** Whether you can await the value. A `then` that throws counts: to await it gives a rejection. */
function isThenable(value: unknown): boolean {
  if (Object(value) !== value) return false;
  try {
    return typeof (value as { readonly then?: unknown }).then === "function";
  } catch {
    return true;
  }
}
