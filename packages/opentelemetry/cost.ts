/**
 * Measures what an instrumented handler costs compared with a plain one, in nanoseconds per item:
 * the least of some rounds. The handlers do nothing, and no exporter takes the spans.
 *
 * `deno run -A packages/opentelemetry/cost.ts`, or with `bun` or `node`.
 */

import { metrics, trace } from "@opentelemetry/api";
import { MeterProvider, MetricReader } from "otel-metrics-3";
import { AlwaysOffSampler, TracerProvider } from "otel-trace-3";
import { Aggregator, Fanout } from "../../mod.ts";
import { type Carried, carry, instrument, instrumentBatch } from "./mod.ts";

const ITEMS = 100_000;
const ROUNDS = 7;
const BATCH = 100;

class Reader extends MetricReader {
  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
}

const meter = new MeterProvider({ readers: [new Reader()] }).getMeter("cost");
const tracer = new TracerProvider().getTracer("cost");
const unsampled = new TracerProvider({ sampler: new AlwaysOffSampler() }).getTracer("cost");
const none = { meter: metrics.getMeter("none"), tracer: trace.getTracer("none") };

const each = (_: number) => {};
const batched = (_: number[]) => {};
const carried = (_: Carried<number>[]) => {};
const destination = "cost";

/** Pushes all items to a new sink, and returns the time in milliseconds. */
type Case = () => number;

const cases: Record<string, Case> = {
  "Fanout, plain": fanout(each),
  "Fanout, no SDK": fanout(instrument(each, { destination, ...none })),
  "Fanout, metrics and no sampled span": fanout(
    instrument(each, { destination, meter, tracer: unsampled }),
  ),
  "Fanout, metrics and spans": fanout(instrument(each, { destination, meter, tracer })),
  [`Aggregator, batches of ${BATCH}, plain`]: aggregator(batched, (n) => n),
  [`Aggregator, batches of ${BATCH}, metrics and spans`]: aggregator(
    instrumentBatch(batched, { destination, meter, tracer }),
    (n) => n,
  ),
  [`Aggregator, batches of ${BATCH}, metrics, spans and carry`]: aggregator(
    instrumentBatch(carried, { destination, meter, tracer }),
    carry,
  ),
};

const least = new Map<string, number>();
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, run] of Object.entries(cases)) {
    least.set(name, Math.min(least.get(name) ?? Infinity, run()));
  }
}
for (const [name, time] of least) {
  console.log(`${String(Math.round(time / ITEMS * 1e6)).padStart(6)} ns  ${name}`);
}

function fanout(handler: (n: number) => void): Case {
  return () => {
    const sink = new Fanout(handler);
    return timed((n) => sink.tryPush(n));
  };
}

function aggregator<T>(handler: (batch: T[]) => void, wrap: (n: number) => T): Case {
  return () => {
    const sink = new Aggregator(handler, { maxItems: BATCH, linger: Infinity });
    return timed((n) => sink.tryPush(wrap(n)));
  };
}

function timed(push: (n: number) => boolean): number {
  const start = performance.now();
  for (let n = 0; n < ITEMS; n++) if (!push(n)) throw new Error("refused");
  return performance.now() - start;
}
