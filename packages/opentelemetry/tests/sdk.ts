/** The parts of an SDK that the tests use. */

import { context, type ContextManager, diag, type Meter, type Tracer } from "@opentelemetry/api";

/** The classes of one major version of the SDK. */
export interface Sdk {
  readonly name: string;
  /** Makes a provider whose metrics `collect` reads. */
  meters(delta: boolean): MeterSource;
  /** Makes a provider that records ended spans. */
  tracers(): TracerSource;
  readonly AsyncLocalStorageContextManager: new () => ContextManager;
}

/** A source of meters and their metrics. */
export interface MeterSource {
  getMeter(name: string): Meter;
  collect(): Promise<CollectedMetric[]>;
  shutdown(): Promise<void>;
}

/** A source of tracers and their spans. */
export interface TracerSource {
  getTracer(name: string): Tracer;
  spans(): readonly EndedSpan[];
  shutdown(): Promise<void>;
}

/** The shape in both versions. */
export interface CollectedMetric {
  readonly descriptor: {
    readonly name: string;
    readonly unit: string;
    readonly description: string;
  };
  /** 0 is a histogram, 2 a gauge, 3 a sum. */
  readonly dataPointType: number;
  readonly isMonotonic?: boolean;
  readonly dataPoints: readonly Point[];
}

/** One value of a metric. */
interface Point {
  readonly attributes: Record<string, unknown>;
  readonly value: unknown;
}

/** A value of a histogram. */
export interface Distribution {
  readonly count: number;
  readonly sum: number;
  readonly buckets: { readonly boundaries: number[] };
}

/** The shape in both versions. */
export interface EndedSpan {
  readonly name: string;
  readonly kind: number;
  readonly status: { readonly code: number; readonly message?: string };
  readonly attributes: Record<string, unknown>;
  readonly links: ReadonlyArray<{ readonly context: SpanId }>;
  readonly events: ReadonlyArray<{ readonly name: string }>;
  readonly parentSpanContext?: SpanId;
  spanContext(): SpanId;
}

/** Its ids. */
interface SpanId {
  readonly traceId: string;
  readonly spanId: string;
}

/** A running SDK. */
export interface Telemetry {
  readonly meter: Meter;
  readonly tracer: Tracer;
  /** Each number, by its metric, and by its attributes if there are several. */
  numbers(): Promise<Record<string, unknown>>;
  collect(): Promise<CollectedMetric[]>;
  spans(): readonly EndedSpan[];
}

/** Runs a test with an SDK, and shuts the SDK down at the end. */
export async function withSdk(
  sdk: Sdk,
  body: (telemetry: Telemetry) => Promise<void>,
  { delta = false }: { delta?: boolean } = {},
): Promise<void> {
  const meters = sdk.meters(delta);
  const tracers = sdk.tracers();
  context.setGlobalContextManager(new sdk.AsyncLocalStorageContextManager());
  const collect = () => meters.collect();
  try {
    await body({
      meter: meters.getMeter("test"),
      tracer: tracers.getTracer("test"),
      numbers: async () => Object.fromEntries((await collect()).flatMap(numbersOf)),
      collect,
      spans: () => tracers.spans(),
    });
  } finally {
    context.disable();
    await Promise.all([meters.shutdown(), tracers.shutdown()]);
  }
}

/** Runs a test, which gets the messages of `diag.error`. */
export async function withDiag(body: (told: readonly string[]) => Promise<void>): Promise<void> {
  const told: string[] = [];
  const ignore = (): void => {};
  const error = (_: string, error: unknown): void => void told.push((error as Error).message);
  diag.setLogger({ error, warn: ignore, info: ignore, debug: ignore, verbose: ignore });
  try {
    await body(told);
  } finally {
    diag.disable();
  }
}

function numbersOf({ descriptor: { name }, dataPoints }: CollectedMetric): [string, unknown][] {
  return dataPoints.map(({ attributes, value }) => {
    const rest = Object.entries(attributes)
      .filter(([key]) => !key.startsWith("messaging."))
      .map(([key, value]) => `${key}=${value}`).sort().join();
    const number = typeof value === "object" ? (value as Distribution).count : value;
    return [rest === "" ? name : `${name} ${rest}`, number];
  });
}

/** A processor for either version that records ended spans. The exporters would set timers. */
export function notes(): { spans(): EndedSpan[]; processor: SpanProcessor } {
  const spans: EndedSpan[] = [];
  return {
    spans: () => spans,
    processor: {
      onStart() {},
      onEnd: (span) => void spans.push(span as EndedSpan),
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    },
  };
}

interface SpanProcessor {
  onStart(): void;
  onEnd(span: unknown): void;
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
}
