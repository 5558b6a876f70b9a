/** Draws an overload over time: a curve for each way in each runtime. */

import { fixed, STYLE, text, WIDTH } from "./pictures.ts";
import type { Account, Summary } from "./summary.ts";
import { shareOf } from "./tables.ts";
import { OVERLOAD } from "./targets.ts";

interface Panel {
  readonly title: string;
  readonly ticks: readonly number[];
  /** The upper end of the axis, which may be above the last tick. */
  readonly most: number;
  /** Whether each tick is a multiple of the one before. */
  readonly log?: true;
  /** A horizontal line and its label. */
  readonly limit?: readonly [at: number, what: string];
  label(value: number): string;
  /** The points of a curve: the time, as a fraction of the run, and the value. */
  points(account: Account, runtime: number): readonly (readonly [time: number, value: number])[];
}

const TOP = 108;
const HEIGHT = 190;
const LEFT = 62;
const GAP = 66;
const RIGHT = 20;
const PANEL = (WIDTH - LEFT - RIGHT - 2 * GAP) / 3;

/** The ways, and the place of each in the legend. */
const WAYS: readonly (readonly [name: string, label: string, x: number])[] = [
  ["Fanout.tryPush", "tryPush: refuses at once", 16],
  ["Fanout.tryPush, with maxWait", "maxWait: gives up the oldest", 218],
  ["Fanout.push", "push: everybody waits", 446],
  ["p-queue", "p-queue", 634],
];

const CURVES = `
  .curve { fill: none; stroke-width: 2; stroke-linejoin: round }
  .way0 { stroke: #0969da }
  .way1 { stroke: #1a7f37 }
  .way2 { stroke: #bf8700 }
  .way3 { stroke: #cf222e; stroke-dasharray: 5 4 }
  .limit { stroke: #6e7781; stroke-width: 1.5; stroke-dasharray: 2 3 }
  @media (prefers-color-scheme: dark) {
    .way0 { stroke: #4493f8 }
    .way1 { stroke: #3fb950 }
    .way2 { stroke: #d29922 }
    .way3 { stroke: #f85149 }
    .limit { stroke: #8d96a0 }
  }
`;

/** How long callers wait, how many are served, and how much memory that takes. */
export function overload(summary: Summary): string {
  const { seconds, rows } = summary.overload;
  const curves = WAYS.map(([name]) => rows.find((row) => row[1] === name)!.slice(2) as Account[]);
  const middle = (values: readonly number[], value: (value: number) => number = (value) => value) =>
    values.map((each, index) => [(index + 0.5) / values.length, value(each)] as const);
  const panels: Panel[] = [
    {
      title: "How long the slowest waits",
      ticks: [10, 100, 1000, 10_000],
      most: 10_000,
      log: true,
      limit: [OVERLOAD.deadline, "the caller has gone"],
      label: (time) => time < 1000 ? `${time} ms` : `${time / 1000} s`,
      points: ({ slowest }) => middle(slowest),
    },
    {
      title: `Served within ${OVERLOAD.deadline} ms, of capacity`,
      ticks: [0, 0.25, 0.5, 0.75, 1],
      most: 1.15,
      label: (share) => `${share * 100} %`,
      points: ({ timely }, runtime) =>
        middle(timely, (goodput) => shareOf(rows, { goodput }, runtime)),
    },
    {
      title: "Memory held",
      ticks: [0, 50e6, 100e6, 150e6],
      most: 172e6,
      label: (bytes) => `${bytes / 1e6} MB`,
      points: ({ held }) => [[0, 0], [0.1, held[0]!], [1, held.at(-1)!]],
    },
  ];
  const title = `Overload: ${OVERLOAD.times} times what ${OVERLOAD.concurrency} handlers of ` +
    `${OVERLOAD.handler} ms can do`;
  const height = TOP + HEIGHT + 34;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>${title}</title>`,
    `<style>${STYLE}${CURVES}</style>`,
    text(16, 22, title, "strong"),
    text(16, 42, `A curve for each runtime: ${summary.runtimes.join(", ")}.`, "quiet"),
    ...WAYS.map(([, label, x], way) =>
      `<line x1="${x}" x2="${x + 22}" y1="62" y2="62" class="curve way${way}"/>` +
      text(x + 28, 66, label, "")
    ),
    ...panels.flatMap((panel, index) =>
      drawn(panel, LEFT + index * (PANEL + GAP), seconds, curves)
    ),
    "</svg>\n",
  ].join("\n");
}

function drawn(
  { title, ticks, most, log, limit, label, points }: Panel,
  left: number,
  seconds: number,
  ways: readonly (readonly Account[])[],
): string[] {
  const least = ticks[0]!;
  const part = log
    ? (value: number) => Math.log(Math.max(value, least) / least) / Math.log(most / least)
    : (value: number) => (value - least) / (most - least);
  const x = (time: number) => left + time * PANEL;
  const y = (value: number) => TOP + HEIGHT * (1 - part(value));
  const across = (value: number, style: string) =>
    `<line x1="${fixed(x(0))}" x2="${fixed(x(1))}" y1="${fixed(y(value))}" ` +
    `y2="${fixed(y(value))}" class="${style}"/>`;
  return [
    text(left, TOP - 14, title, "strong"),
    ...ticks.flatMap((tick) => [
      text(left - 6, y(tick) + 4, label(tick), "quiet", "end"),
      across(tick, "grid"),
    ]),
    ...(limit
      ? [across(limit[0], "limit"), text(x(1), y(limit[0]) - 5, limit[1], "quiet", "end")]
      : []),
    ...[0, 0.5, 1].map((time) =>
      text(x(time), TOP + HEIGHT + 18, `${time * seconds} s`, "quiet", "middle")
    ),
    ...ways.flatMap((accounts, way) =>
      accounts.map((account, runtime) => {
        const path = points(account, runtime).map(([time, value]) =>
          `${fixed(x(time))},${fixed(y(value))}`
        );
        return `<polyline points="${path.join(" ")}" class="curve way${way}"/>`;
      })
    ),
  ];
}
