/** All metrics that this package exports. A test compares them with the table in the README. */

import type { Attributes, Counter, Histogram, Meter, Observable } from "@opentelemetry/api";

/** One metric. */
export interface Metric {
  readonly name: string;
  /** A total only grows, a level goes up and down, and a histogram has a value for each call. */
  readonly kind: "total" | "level" | "histogram";
  /** A UCUM unit. */
  readonly unit: string;
  readonly description: string;
  /** Its attributes, besides those of the user. */
  readonly attributes: readonly string[];
  /** The source of the value. */
  readonly source: string;
  /** The upper limits of a histogram's buckets. */
  readonly buckets?: number[];
}

/** Metrics, by the name of the number in `stats`. */
export type Metrics<Name extends string = string> = Readonly<Record<Name, Metric>>;

/** The attribute with the name of an observed object. */
export const NAME_ATTRIBUTE = "weir.name";

const OPERATION = ["messaging.system", "messaging.destination.name", "messaging.operation.name"];
const RESULT = [...OPERATION, "error.type"];

/** The buckets that the messaging conventions ask for, in seconds. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const ITEMS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

/** The metrics of a sink, a `MapStream`, a batching stream or a throttle, if it has the number. */
export const QUEUE: Metrics = {
  waiting: level("weir.queue.waiting", "{item}", "Items accepted and not started"),
  running: level("weir.queue.running", "{item}", "Items whose handler runs"),
  blocked: level("weir.queue.blocked", "{item}", "Items that wait for room, not yet accepted"),
  overrunning: level(
    "weir.queue.overrunning",
    "{call}",
    "Handlers that run on after their timeout",
  ),
  concurrency: {
    ...level("weir.queue.concurrency", "{call}", "The most handlers that run at once"),
    source: "`concurrency`",
  },
  accepted: total("weir.queue.accepted", "{item}", "Items accepted"),
  done: total("weir.queue.done", "{item}", "Items handled"),
  failed: total("weir.queue.failed", "{item}", "Items whose handler failed"),
  discarded: total("weir.queue.discarded", "{item}", "Items given up"),
  refused: total("weir.queue.refused", "{item}", "Items refused because there was no room"),
  retried: total("weir.queue.retried", "{item}", "Items sent to the handler again"),
  batches: total("weir.queue.batches", "{batch}", "Batches handed over"),
  dropped: total("weir.queue.dropped", "{item}", "Items that a throttle left out"),
};

/** The metrics of a `FixedChunkStream`, which counts bytes. */
export const BYTES: Metrics = {
  waiting: level("weir.stream.waiting", "By", "Bytes held in a piece that is not handed over"),
  accepted: total("weir.stream.accepted", "By", "Bytes accepted"),
  done: total("weir.stream.done", "By", "Bytes handed over"),
  discarded: total("weir.stream.discarded", "By", "Bytes given up"),
};

/** The metrics of a `Singleflight`. */
export const FLIGHT: Metrics = {
  running: level("weir.flight.running", "{call}", "Functions that run"),
  executions: total("weir.flight.executions", "{call}", "Functions started"),
  shared: total("weir.flight.shared", "{call}", "Callers that joined a running function"),
  hits: total("weir.flight.hits", "{call}", "Callers answered by the cache"),
};

/** The metrics of a handler. */
export const CALLS: Metrics<"duration" | "messages" | "size" | "wait"> = {
  duration: {
    ...histogram("messaging.process.duration", "s", "How long a call of the handler took", SECONDS),
    attributes: RESULT,
    source: "each call of a handler",
  },
  messages: {
    ...total("messaging.client.consumed.messages", "{message}", "Items given to the handler"),
    attributes: RESULT,
    source: "each item of a call",
  },
  size: {
    ...histogram("weir.batch.size", "{item}", "Items of a batch", ITEMS),
    source: "each call by `instrumentBatch`",
  },
  wait: {
    ...histogram("weir.queue.wait.duration", "s", "How long an item or batch waited", SECONDS),
    source: "`context.waited`, with a `maxWait`",
  },
};

/** All metrics. */
export const METRICS: readonly Metric[] = [QUEUE, BYTES, FLIGHT, CALLS].flatMap((metrics) =>
  Object.entries(metrics).map(([name, metric]) =>
    metric.source === "" ? { ...metric, source: `\`stats.${name}\`` } : metric
  )
);

/** Makes the instruments that the SDK reads when it collects metrics. */
export function observables(meter: Meter, metrics: Metrics): Map<string, Observable<Attributes>> {
  return new Map(
    Object.entries(metrics).map(([key, { kind, name, unit, description }]) => {
      const options = { unit, description };
      return [
        key,
        kind === "total"
          ? meter.createObservableCounter(name, options)
          : meter.createObservableUpDownCounter(name, options),
      ];
    }),
  );
}

/** Makes a histogram of the table. */
export function histogramOf(
  meter: Meter,
  { name, unit, description, buckets }: Metric,
): Histogram {
  const advice = { explicitBucketBoundaries: [...buckets!] };
  return meter.createHistogram(name, { unit, description, advice });
}

/** Makes a counter of the table. */
export function counterOf(meter: Meter, { name, unit, description }: Metric): Counter {
  return meter.createCounter(name, { unit, description });
}

function level(name: string, unit: string, description: string): Metric {
  return { ...total(name, unit, description), kind: "level" };
}

function total(name: string, unit: string, description: string): Metric {
  return { name, kind: "total", unit, description, attributes: [NAME_ATTRIBUTE], source: "" };
}

function histogram(name: string, unit: string, description: string, buckets: number[]): Metric {
  return { name, kind: "histogram", unit, description, attributes: OPERATION, source: "", buckets };
}
