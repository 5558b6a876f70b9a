/** Defines the orders for a worker, its findings, and the small summary that is kept. */

/**
 * The kind of a way: the platform, the same job by hand, ours, or another library. A library is
 * "unbounded" if it holds all items that it gets. The others make the producer wait, or refuse
 * items.
 */
export type Kind = "floor" | "ideal" | "weir" | "peer" | "unbounded";

/** One way to do a job. */
export interface Way {
  readonly name: string;
  readonly kind: Kind;
  /** The most items in one run, for slow ways. */
  readonly n?: number;
}

/** How long to measure. */
export interface Effort {
  /** The number of items in one run, instead of the group's. */
  readonly n?: number | undefined;
  readonly rounds: number;
  /** Warm-up rounds, which do not count. */
  readonly warmup: number;
  /** A sample repeats the run for at least this many milliseconds. */
  readonly minimum: number;
}

/** What to measure. */
export interface Orders extends Effort {
  /** Only cases with a target, and the cases that they are compared with. */
  readonly judged: boolean;
  /** Names of groups, and of studies. */
  readonly parts: readonly string[];
  /** The number of items, or objects, in a study. */
  readonly memory: number;
  readonly latency: number;
  readonly growth: number;
  /** Whether the growth study measures every case. */
  readonly every: boolean;
  readonly idle: number;
  /** How long each way is overloaded, in milliseconds. */
  readonly overload: number;
}

/** The samples of a case, in nanoseconds per item. */
export interface Measurement extends Way {
  readonly group: string;
  readonly median: number;
  readonly minimum: number;
}

/** Milliseconds from the push of an item to its batch. */
export interface Delay extends Way {
  readonly p50: number;
  readonly p99: number;
}

/** Nanoseconds per item, in longer and longer runs. */
export interface Growth extends Way {
  readonly costs: readonly number[];
}

/** The memory that a way held, in bytes. */
export interface Held extends Way {
  readonly bytes: number;
}

/** The cost of one idle object. */
export interface Idle extends Way {
  readonly bytes: number;
  readonly timers: number;
}

/** The outcome of the items under overload. Times are in milliseconds. */
export interface Account {
  /** These add up: `offered = served + refused + discarded + left`. */
  readonly offered: number;
  readonly served: number;
  readonly refused: number;
  readonly discarded: number;
  /** Items that still waited or ran at the end. */
  readonly left: number;
  /** Items served within the deadline, per second. */
  readonly goodput: number;
  /** Percentiles of the time from when an item was due until it was served. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** The largest delay of an offered item. */
  readonly late: number;
  /** The memory in bytes, after a tenth of the time and at the end. */
  readonly held: readonly number[];
  /** For each tenth of the time: the slowest item, and the `goodput`. */
  readonly slowest: readonly number[];
  readonly timely: readonly number[];
}

/** The outcome of the items of a way. */
export interface Overload extends Way, Account {}

/** The findings of a worker. */
export interface Findings {
  readonly machine: string;
  readonly cases: readonly Measurement[];
  readonly latency: readonly Delay[];
  readonly growth: readonly Growth[];
  readonly memory: readonly Held[];
  readonly idle: readonly Idle[];
  readonly overload: readonly Overload[];
}

/** A way, and a cell for each runtime. */
export type Row<Cell> = readonly [kind: Kind, name: string, ...cells: Cell[]];

/** The part of a run that is kept. */
export interface Summary {
  readonly date: string;
  readonly revision: string;
  readonly machine: string;
  readonly rounds: number;
  /** The runtimes with their versions. */
  readonly runtimes: readonly string[];
  /**
   * The median divided by the minimum of a typical case, for each runtime: near 1 on a quiet
   * machine.
   */
  readonly noise: readonly number[];
  /** The least nanoseconds per item, by group. */
  readonly speed: Readonly<Record<string, readonly Row<number>[]>>;
  /** p50 and p99 in milliseconds. */
  readonly latency: readonly Row<readonly [number, number]>[];
  /** Nanoseconds per item, in longer and longer runs. */
  readonly growth: readonly Row<readonly number[]>[];
  /** Bytes. */
  readonly memory: readonly Row<number>[];
  /** Bytes and timers of one object. */
  readonly idle: readonly Row<readonly [number, number]>[];
  /** It may be from another day than the rest. */
  readonly overload: {
    readonly date: string;
    readonly revision: string;
    readonly seconds: number;
    readonly rows: readonly Row<Account>[];
  };
  /** The bytes that each entry point adds to a bundle: minified, and gzipped. */
  readonly size: readonly (readonly [name: string, minified: number, gzipped: number])[];
  /**
   * The version of Go, the least nanoseconds of each original, and the reasons where some have
   * none.
   */
  readonly go: {
    readonly version: string;
    readonly originals: readonly (readonly [name: string, least: number])[];
    readonly skipped: readonly string[];
  };
}

/** The columns of a summary, from the findings of each runtime. */
export function summarized(
  findings: readonly Findings[],
): Pick<Summary, "noise" | "speed" | "latency" | "growth" | "memory" | "idle"> & {
  overload: Row<Account>[];
} {
  const cases = rows(findings, "cases", ({ minimum }) => minimum);
  const groups = findings[0]!.cases.map(({ group }) => group);
  return {
    noise: findings.map(({ cases }) => noise(cases)),
    speed: Object.fromEntries(
      [...new Set(groups)].map((name) => [name, cases.filter((_, i) => groups[i] === name)]),
    ),
    latency: rows(findings, "latency", ({ p50, p99 }) => [p50, p99]),
    growth: rows(findings, "growth", ({ costs }) => costs),
    memory: rows(findings, "memory", ({ bytes }) => bytes),
    idle: rows(findings, "idle", ({ bytes, timers }) => [bytes, timers]),
    overload: rows(findings, "overload", ({ kind: _, name: __, ...account }) => account),
  };
}

type Part = "cases" | "latency" | "growth" | "memory" | "idle" | "overload";

function rows<P extends Part, Cell>(
  findings: readonly Findings[],
  part: P,
  cell: (found: Findings[P][number]) => Cell,
): Row<Cell>[] {
  const ways: readonly Way[] = findings[0]![part];
  return ways.map(({ kind, name }, index) => [
    kind,
    name,
    ...findings.map((each) => cell(each[part][index]!)),
  ]);
}

function noise(cases: readonly Measurement[]): number {
  const sorted = cases.map(({ median, minimum }) => median / minimum).sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 1;
}

/** Formats a summary: each row is a line, with rounded numbers. */
export function json(summary: Summary): string {
  return `${laid(summary)}\n`;
}

function laid(value: unknown): string {
  if (Array.isArray(value) && Array.isArray(value[0])) {
    return `[\n${value.map((row) => JSON.stringify(row, rounded)).join(",\n")}\n]`;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return JSON.stringify(value, rounded);
  }
  const entries = Object.entries(value).map(([name, each]) =>
    `${JSON.stringify(name)}: ${laid(each)}`
  );
  return `{\n${entries.join(",\n")}\n}`;
}

function rounded(_: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(3)) : value;
}
