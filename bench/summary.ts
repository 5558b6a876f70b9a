/** What is asked of a worker, what it finds, and the one small summary that is kept of it. */

/**
 * What a way stands for: what the platform takes, the same job by hand, ours, and what others made.
 * A peer is "unbounded" if it holds all items that it is given. The rest makes the producer wait, or
 * refuses.
 */
export type Kind = "floor" | "ideal" | "weir" | "peer" | "unbounded";

/** One way to do a thing. */
export interface Way {
  readonly name: string;
  readonly kind: Kind;
  /** How many items one run takes at most: for slow ways. */
  readonly n?: number;
}

/** How long to measure. */
export interface Effort {
  /** Items in one run, in place of what the group says. */
  readonly n?: number | undefined;
  readonly rounds: number;
  /** Rounds before those, which do not count. */
  readonly warmup: number;
  /** A sample repeats the run for at least so many milliseconds. */
  readonly minimum: number;
}

/** What to measure. */
export interface Orders extends Effort {
  /** Only cases that have a target, and those that they are held against. */
  readonly judged: boolean;
  /** Names of groups, and of studies. */
  readonly parts: readonly string[];
  /** How many items, or objects, a study takes. */
  readonly memory: number;
  readonly latency: number;
  readonly growth: number;
  /** Whether growth takes every case. */
  readonly every: boolean;
  readonly idle: number;
  /** For how many milliseconds each way is offered too much. */
  readonly overload: number;
}

/** What was measured of a case, in nanoseconds for one item. */
export interface Measurement extends Way {
  readonly group: string;
  readonly median: number;
  readonly minimum: number;
}

/** Milliseconds from the push of an item to the batch that has it. */
export interface Delay extends Way {
  readonly p50: number;
  readonly p99: number;
}

/** Nanoseconds for one item, in longer and longer runs. */
export interface Growth extends Way {
  readonly costs: readonly number[];
}

/** What a way held, in bytes. */
export interface Held extends Way {
  readonly bytes: number;
}

/** What one object costs that has nothing to do. */
export interface Idle extends Way {
  readonly bytes: number;
  readonly timers: number;
}

/** What became of items when more came than could be done. Times are in milliseconds. */
export interface Account {
  /** These add up: `offered = served + refused + discarded + left`. */
  readonly offered: number;
  readonly served: number;
  readonly refused: number;
  readonly discarded: number;
  /** What still waited or ran at the end. */
  readonly left: number;
  /** How many were served within the deadline, in a second. */
  readonly goodput: number;
  /** Percentiles of the time from when an item was due until it was served. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** By how much an item was offered too late, at most. */
  readonly late: number;
  /** Bytes, after a tenth of the time, and at the end. */
  readonly held: readonly number[];
  /** For each tenth of the time: the slowest, and what `goodput` is. */
  readonly slowest: readonly number[];
  readonly timely: readonly number[];
}

/** What became of the items of a way. */
export interface Overload extends Way, Account {}

/** What a worker finds. */
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

/** All that is kept of a run. */
export interface Summary {
  readonly date: string;
  readonly revision: string;
  readonly machine: string;
  readonly rounds: number;
  /** With their versions. */
  readonly runtimes: readonly string[];
  /** For each runtime the median over the minimum of the usual case: near 1 on a quiet machine. */
  readonly noise: readonly number[];
  /** The least nanoseconds for one item, by group. */
  readonly speed: Readonly<Record<string, readonly Row<number>[]>>;
  /** p50 and p99 in milliseconds. */
  readonly latency: readonly Row<readonly [number, number]>[];
  /** Nanoseconds for one item, in longer and longer runs. */
  readonly growth: readonly Row<readonly number[]>[];
  /** Bytes. */
  readonly memory: readonly Row<number>[];
  /** Bytes and timers of one object. */
  readonly idle: readonly Row<readonly [number, number]>[];
  /** It may be of another day than the rest. */
  readonly overload: {
    readonly date: string;
    readonly revision: string;
    readonly seconds: number;
    readonly rows: readonly Row<Account>[];
  };
  /** What each entry point adds to a bundle, in bytes: minified, and gzipped. */
  readonly size: readonly (readonly [name: string, minified: number, gzipped: number])[];
  /** The version of Go, the least nanoseconds of each original, and why some have none. */
  readonly go: {
    readonly version: string;
    readonly originals: readonly (readonly [name: string, least: number])[];
    readonly skipped: readonly string[];
  };
}

/** The columns of a summary, from what was found in each runtime. */
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

/** A summary as text: each row is a line, with numbers that do not pretend. */
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
