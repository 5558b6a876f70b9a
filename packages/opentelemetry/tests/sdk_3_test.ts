/** Runs the tests with the SDK 3. */

import * as hooks from "otel-context-3";
import * as metrics from "otel-metrics-3";
import * as trace from "otel-trace-3";
import { conforming } from "./conforming.ts";
import { counting } from "./counting.ts";
import { guarding } from "./guarding.ts";
import { instrumenting } from "./instrumenting.ts";
import { observing } from "./observing.ts";
import {
  type CollectedMetric,
  type MeterSource,
  notes,
  type Sdk,
  type TracerSource,
} from "./sdk.ts";

class Reader extends metrics.MetricReader {
  protected override onShutdown = (): Promise<void> => Promise.resolve();
  protected override onForceFlush = (): Promise<void> => Promise.resolve();
}

const sdk: Sdk = {
  name: "SDK 3",
  AsyncLocalStorageContextManager: hooks.AsyncLocalStorageContextManager,
  meters(delta) {
    const { DELTA, CUMULATIVE } = metrics.AggregationTemporality;
    const reader = new Reader({ aggregationTemporalitySelector: () => delta ? DELTA : CUMULATIVE });
    const provider = new metrics.MeterProvider({ readers: [reader] });
    return {
      getMeter: (name) => provider.getMeter(name),
      async collect() {
        const { resourceMetrics, errors } = await reader.collect();
        if (errors.length > 0) throw errors[0];
        return resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics) as CollectedMetric[];
      },
      shutdown: () => provider.shutdown(),
    } as MeterSource;
  },
  tracers() {
    const { spans, processor } = notes();
    const provider = new trace.TracerProvider({ spanProcessors: [processor] });
    return {
      getTracer: (name) => provider.getTracer(name),
      spans,
      shutdown: () => provider.shutdown(),
    } as TracerSource;
  },
};

observing(sdk);
counting(sdk);
conforming(sdk);
instrumenting(sdk);
guarding(sdk);
