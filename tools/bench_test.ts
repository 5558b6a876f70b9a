/**
 * Checks that the README and the docs show the measured numbers. The benchmarks themselves run by
 * `deno task bench --smoke`, because their packages are not installed here.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { edition, told } from "../bench/process.ts";
import { committed, filled, published } from "../bench/readme.ts";
import type { Account } from "../bench/summary.ts";
import { text } from "../bench/tables.ts";

Deno.test("pictures and tables match bench/summary.json", async () => {
  for (const [path, content] of await published(await committed())) {
    assert(await Deno.readTextFile(path) === content, `${path}: deno task bench --draw`);
  }
});

Deno.test("a place is filled, and one without an end is refused", () => {
  const page = "a\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nb";
  const expected = "a\n<!-- bench:x -->\n\nnew\n\n<!-- /bench:x -->\nb";
  assertEquals(filled(page, { x: "new", y: "nowhere" }), expected);
  assertThrows(() => filled("<!-- bench:x -->", { x: "new" }), Error, "has no end");
});

const account = (found: Partial<Account>): Account => ({
  ...{ offered: 1000, served: 100, refused: 700, discarded: 150, left: 50, goodput: 0 },
  ...{ p50: 1, p99: 2, p999: 3, late: 4, held: [0, 0], slowest: [], timely: [] },
  ...found,
});

Deno.test("a run is reported as tables, and compared with its targets", async () => {
  const floor = ["floor", "pipeTo a no-op sink", 100] as const;
  const lines = text({
    ...await committed(),
    runtimes: ["bun 0"],
    noise: [1.04],
    speed: {
      batching: [floor, ["weir", "BatchStream.from", 34]],
      aggregator: [floor, ["weir", "Aggregator.tryPush", 6.7]],
    },
    latency: [["weir", "a way", [5, 10]]],
    growth: [["weir", "grows", [20, 22, 30]]],
    memory: [["weir", "a way", 2e6]],
    idle: [["weir", "an object", [12, 1]]],
    overload: {
      ...{ date: "", revision: "", seconds: 5 },
      rows: [
        ["floor", "loops", account({ goodput: 100 })],
        ["weir", "Fanout.tryPush", account({ goodput: 89, p999: 65, held: [1e6, 2e6] })],
        ["unbounded", "p-queue", account({ goodput: 5, p999: 1234, held: [1e6, 3e6] })],
      ],
    },
    size: [[".", 20_000, 10_000]],
    go: { version: "go0", originals: [["go-zero BulkExecutor", 67]], skipped: ["kratos: why"] },
  }).split("\n").map((line) => line.split(/ {2,}/).join(" | "));
  for (
    const line of [
      "weir | BatchStream.from | 34.0 (0.340)",
      "weir | a way | 5.0 / 10.0",
      "weir | grows | 20.0 / 22.0 / 30.0; 1.50 missed",
      "weir | a way | 2.00",
      "weir | an object | 12, 1.00",
      "Fanout.tryPush | bun 0 | 1,000 | 100 | 700 | 150 | 50 | 89 % missed | 1.0 | 2.0 | 65.0 ok | 1.0, 2.0 ok | 4.0",
      "p-queue | bun 0 | 1,000 | 100 | 700 | 150 | 50 | 5.0 % | 1.0 | 2.0 | 1,234 | 1.0, 3.0 | 4.0",
      ". | 20.0 | 10.0",
      "BatchStream.from | pipeTo a no-op sink | 0.34 | 0.340 ok",
      "Aggregator.tryPush | pipeTo a no-op sink | 0.066 | 0.067 missed",
      "Aggregator.tryPush | go-zero BulkExecutor (Go) | 0.100",
      "Skipped: kratos: why",
    ]
  ) assert(lines.includes(line), `${line}\n\n${lines.join("\n")}`);
});

Deno.test("a wrong revision has no edition", async () => {
  for (const revision of ["no-such-revision", "--help", "HEAD:bench"]) {
    assertEquals(await edition(revision), undefined);
  }
});

Deno.test("the report lists slower rows first, and names rows that one side lacks", () => {
  const measured = (name: string, minimum: number, kind: "weir" | "floor" = "weir") => (
    { group: "g", name, kind, median: 2 * minimum, minimum }
  );
  const before = [measured("a", 10), measured("b", 10), measured("old", 1)];
  const now = [
    measured("a", 10.5),
    ...[15, 12, 9, 14, 13].map((minimum) => measured("b", minimum)),
    measured("new", 1),
  ];
  const floor = [measured("floor", 100, "floor")];
  assertEquals(told("deno 0", [...before, ...floor], [...now, ...floor]).split("\n"), [
    "deno 0: ours now and before",
    "",
    "group  case  ns before  ns now  now / before  of the least",
    "g      b     10.0       12.0    1.20 slower   0.90",
    "g      a     10.0       10.5    1.05          1.05",
    "",
    "Of what is not ours, and the same on both sides, the ratio is 1.00 to 1.00.",
    "Only before: g: old.",
    "Only now: g: new.",
    "",
  ]);
});
