/** One chart: throughput as multiples of the floor, on a logarithmic axis, as plain SVG. */

import type { Measurement } from "./harness.ts";
import type { Result } from "./report.ts";

const GROUPS = ["batching", "aggregator", "fanout", "map"];
const WIDTH = 860;
const LEFT = 330;
const RIGHT = 70;
const TOP = 64;
const BAR = 7;
const GAP = 9;
const TITLE = 30;
const TICKS = [0.0625, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64];

const STYLE = `
  svg { background: #fff; font: 12px system-ui, sans-serif }
  text { fill: #24292f }
  .quiet { fill: #6e7781 }
  .strong { font-weight: 600 }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .floor { stroke: #6e7781; stroke-width: 1.5 }
  .bar0 { fill: #0969da }
  .bar1 { fill: #bf8700 }
  .bar2 { fill: #1a7f37 }
  .other { opacity: .45 }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117 }
    text { fill: #e6edf3 }
    .quiet { fill: #8d96a0 }
    .grid { stroke: #30363d }
    .floor { stroke: #8d96a0 }
    .bar0 { fill: #4493f8 }
    .bar1 { fill: #d29922 }
    .bar2 { fill: #3fb950 }
  }
`;

/** Draws what was measured: a row for each case, a bar for each runtime. */
export function chart(results: readonly Result[]): string {
  const step = results.length * BAR + GAP;
  const { cases } = results[0]!;
  // Without the first of each group, which is the line at 1.
  const drawn = cases
    .map((each, index) => ({ each, index }))
    .filter(({ each, index }) =>
      GROUPS.includes(each.group) && cases[index - 1]?.group === each.group
    );
  const speeds = drawn.flatMap(({ index }) => results.map((result) => speed(result.cases[index]!)));
  const ticks = within(Math.min(...speeds), Math.max(...speeds));
  const x = scale(ticks[0]!, ticks.at(-1)!);

  const body: string[] = [];
  let y = TOP;
  let group = "";
  for (const { each, index } of drawn) {
    if (each.group !== group) {
      group = each.group;
      y += TITLE;
      body.push(label(LEFT - 10, y - 8, group, "strong"));
    }
    body.push(
      label(LEFT - 10, y + (step - GAP) / 2 + 4, each.name, each.kind === "weir" ? "" : "quiet"),
    );
    results.forEach((result, bar) => {
      body.push(rectangle(x, speed(result.cases[index]!), y + bar * BAR, bar, each.kind));
    });
    y += step;
  }
  const height = y + 16;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    "<title>Throughput as multiples of the floor</title>",
    `<style>${STYLE}</style>`,
    `<text x="16" y="22" class="strong">Throughput, as multiples of piping to a no-op sink</text>`,
    ...results.map(({ title }, bar) => legend(bar, title)),
    ...ticks.map((tick) => gridline(x(tick), tick, height)),
    ...body,
    "</svg>\n",
  ].join("\n");
}

function speed({ ratio }: Measurement): number {
  return 1 / ratio;
}

/** The ticks that enclose the values. */
function within(least: number, most: number): number[] {
  const from = Math.max(TICKS.findLastIndex((tick) => tick <= Math.min(least, 1)), 0);
  const to = TICKS.findIndex((tick) => tick >= Math.max(most, 1));
  return TICKS.slice(from, to < 0 ? TICKS.length : to + 1);
}

function scale(least: number, most: number): (value: number) => number {
  const range = Math.log(most / least);
  const width = WIDTH - LEFT - RIGHT;
  return (value) => {
    const kept = Math.min(Math.max(value, least), most);
    return LEFT + width * Math.log(kept / least) / range;
  };
}

/** From the floor to the value: to the right where the case is faster. */
function rectangle(
  x: (value: number) => number,
  value: number,
  y: number,
  bar: number,
  kind: Measurement["kind"],
): string {
  const [from, to] = [x(1), x(value)].sort((a, b) => a - b) as [number, number];
  const width = Math.max(to - from, 1).toFixed(1);
  const classes = kind === "weir" ? `bar${bar}` : `bar${bar} other`;
  return `<rect x="${from.toFixed(1)}" y="${y}" width="${width}" height="${
    BAR - 1
  }" class="${classes}">` +
    `<title>${multiple(value)}</title></rect>`;
}

function gridline(x: number, tick: number, height: number): string {
  const at = x.toFixed(1);
  const kind = tick === 1 ? "floor" : "grid";
  return `<text x="${at}" y="${TOP - 8}" text-anchor="middle" class="quiet">${
    multiple(tick)
  }</text>` +
    `<line x1="${at}" x2="${at}" y1="${TOP}" y2="${height - 10}" class="${kind}"/>`;
}

function legend(bar: number, title: string): string {
  const x = LEFT + 130 + bar * 130;
  return `<rect x="${x}" y="13" width="10" height="10" class="bar${bar}"/>` +
    `<text x="${x + 16}" y="22">${title}</text>`;
}

function label(x: number, y: number, text: string, kind: string): string {
  return `<text x="${x}" y="${y.toFixed(1)}" text-anchor="end" class="${kind}">${text}</text>`;
}

function multiple(value: number): string {
  return `${Number(value.toPrecision(3))}×`;
}
