/**
 * Draws the pictures of a summary as plain SVG: bars on a logarithmic axis, with a row for each
 * case and a bar for each runtime.
 */

import type { Kind, Summary } from "./summary.ts";

interface Line {
  /** The group of the row. Rows of a group are drawn together. */
  readonly group: string;
  readonly name: string;
  /** Whether the case is ours. */
  readonly ours: boolean;
  /** The start and the end of each bar. */
  readonly bars: readonly (readonly [from: number, to: number])[];
}

interface Axis {
  readonly title: string;
  readonly ticks: readonly number[];
  /** The tick to compare with. */
  readonly line?: number;
  label(tick: number): string;
}

/** The width of all pictures. */
export const WIDTH = 860;
const LEFT = 300;
const RIGHT = 40;
const TOP = 64;
const BAR = 7;
const GAP = 9;
const TITLE = 30;

/** The styles of all pictures, in light and dark. */
export const STYLE = `
  svg { background: #fff; font: 12px system-ui, sans-serif }
  text { fill: #24292f }
  .quiet { fill: #6e7781 }
  .strong { font-weight: 600 }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .line { stroke: #6e7781; stroke-width: 1.5 }
  .bar0 { fill: #0969da }
  .bar1 { fill: #bf8700 }
  .bar2 { fill: #1a7f37 }
  .other { opacity: .4 }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117 }
    text { fill: #e6edf3 }
    .quiet { fill: #8d96a0 }
    .grid { stroke: #30363d }
    .line { stroke: #8d96a0 }
    .bar0 { fill: #4493f8 }
    .bar1 { fill: #d29922 }
    .bar2 { fill: #3fb950 }
    .other { opacity: .5 }
  }
`;

/** What the picture of speed shows, of each group: ours, and what a reader may know. */
const SPEED: Readonly<Record<string, readonly string[]>> = {
  batching: [
    "BatchStream.from",
    "streaming-iterables batchWithTimeout",
    "rxjs from, bufferTime",
    "effect groupedWithin",
  ],
  aggregator: [
    "Aggregator.tryPush",
    "async cargoQueue",
    "rxjs Subject, bufferTime",
    "Aggregator.submit",
    "dataloader",
  ],
  fanout: ["Fanout.tryPush", "fastq.promise", "p-map", "p-limit", "p-queue"],
  map: ["MapStream.from", "p-map pMapIterable", "@std/async pooledMap"],
};

/** What the picture of memory shows. */
const HELD: readonly string[] = [
  "BatchStream.from",
  "streaming-iterables batchWithTimeout",
  "rxjs from, bufferTime",
  "Aggregator.push, each awaited",
  "async cargoQueue",
  "Fanout.consume",
  "p-map",
  "p-limit",
  "p-queue",
  "MapStream.from",
  "p-map pMapIterable",
  "@std/async pooledMap",
];

const THROUGHPUT: Axis = {
  title: "Throughput: items per second, as a multiple of piping to a sink that does nothing",
  ticks: [1 / 64, 1 / 16, 0.25, 1, 4, 16, 64],
  line: 1,
  label: (times) => times < 0.5 ? `1/${Math.round(1 / times)}` : `${Number(times.toPrecision(2))}×`,
};

const MEMORY: Axis = {
  title: "Memory: what a million items take while the sink takes none",
  ticks: [1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10],
  label: (bytes) =>
    bytes < 1e6
      ? `${Math.round(bytes / 1e3)} kB`
      : bytes < 1e9
      ? `${Math.round(bytes / 1e6)} MB`
      : `${bytes / 1e9} GB`,
};

/** Throughput as multiples of the floor. */
export function speed({ runtimes, speed }: Summary): string {
  const rows = Object.entries(SPEED).flatMap(([group, names]) => {
    const cases = speed[group]!;
    const [, , ...floor] = cases[0]!;
    return names.map((each) => {
      const [kind, name, ...least] = cases.find(([, name]) => name === each)!;
      return line(kind, name, least.map((each, index) => [1, floor[index]! / each]), group);
    });
  });
  return bars(THROUGHPUT, runtimes, rows);
}

/** How much memory each way took. */
export function memory({ runtimes, memory }: Summary): string {
  const least = MEMORY.ticks[0]!;
  const rows = HELD.map((each) => {
    const [kind, name, ...held] = memory.find(([, name]) => name === each)!;
    return line(kind, name, held.map((bytes) => [least, Math.max(bytes, least)]));
  });
  return bars(MEMORY, runtimes, rows);
}

function line(kind: Kind, name: string, bars: Line["bars"], group = ""): Line {
  return { group, name: kind === "unbounded" ? `${name} ∞` : name, ours: kind === "weir", bars };
}

/** Draws the rows. The legend has a name for each bar. */
function bars(axis: Axis, legend: readonly string[], rows: readonly Line[]): string {
  const step = legend.length * BAR + GAP;
  const values = rows.flatMap((row) => row.bars.flat());
  const ticks = enclosing(axis.ticks, Math.min(...values), Math.max(...values));
  const x = scale(ticks[0]!, ticks.at(-1)!);

  const body: string[] = [];
  let y = TOP + 6;
  let group = "";
  for (const row of rows) {
    if (row.group !== group) {
      group = row.group;
      y += TITLE;
      body.push(text(LEFT - 10, y - 8, group, "strong", "end"));
    }
    const style = row.ours ? "" : "quiet";
    body.push(text(LEFT - 10, y + (step - GAP) / 2 + 4, row.name, style, "end"));
    row.bars.forEach(([from, to], index) => {
      const kind = row.ours ? `bar${index}` : `bar${index} other`;
      body.push(
        bar(x(from), x(to), y + index * BAR, kind, `${axis.label(from)} ${axis.label(to)}`),
      );
    });
    y += step;
  }
  const height = y + 16;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>${axis.title}</title>`,
    `<style>${STYLE}</style>`,
    text(16, 22, axis.title, "strong"),
    ...legend.map((name, index) => {
      const at = WIDTH - RIGHT - 120 * (legend.length - index);
      return `<rect x="${at}" y="33" width="10" height="10" class="bar${index}"/>` +
        text(at + 16, 42, name, "");
    }),
    text(16, 42, "Full color: weir. ∞: no bound.", "quiet"),
    ...ticks.flatMap((tick) => [
      text(x(tick), TOP - 4, axis.label(tick), "quiet", "middle"),
      `<line x1="${fixed(x(tick))}" x2="${fixed(x(tick))}" y1="${TOP}" y2="${height - 10}" ` +
      `class="${tick === axis.line ? "line" : "grid"}"/>`,
    ]),
    ...body,
    "</svg>\n",
  ].join("\n");
}

function enclosing(ticks: readonly number[], least: number, most: number): readonly number[] {
  const from = Math.max(ticks.findLastIndex((tick) => tick <= least), 0);
  const to = ticks.findIndex((tick) => tick >= most);
  return ticks.slice(from, to < 0 ? ticks.length : to + 1);
}

function scale(least: number, most: number): (value: number) => number {
  const range = Math.log(most / least) || 1;
  return (value) => {
    const kept = Math.min(Math.max(value, least), most);
    return LEFT + (WIDTH - LEFT - RIGHT) * Math.log(kept / least) / range;
  };
}

/** At least wide enough to be seen. */
function bar(from: number, to: number, y: number, kind: string, title: string): string {
  const left = Math.min(from, to);
  const width = Math.max(Math.abs(to - from), 2);
  return `<rect x="${fixed(left)}" y="${y}" width="${fixed(width)}" height="${
    BAR - 1
  }" class="${kind}"><title>${title}</title></rect>`;
}

/** Draws a line of text. */
export function text(
  x: number,
  y: number,
  content: string,
  style: string,
  anchor: "start" | "middle" | "end" = "start",
): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}" class="${style}">` +
    `${content}</text>`;
}

/** Formats a coordinate. */
export function fixed(value: number): string {
  return value.toFixed(1);
}
