/** The benchmarks run, lose nothing, and their targets name cases that exist. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { told } from "../bench/against.ts";
import { latency, memory, throughput } from "../bench/chart.ts";
import { groups } from "../bench/groups.ts";
import { markdown } from "../bench/report.ts";
import type { Report, Result } from "../bench/result.ts";
import { beside, ideals, judge, RUNTIMES } from "../bench/targets.ts";
import { deno } from "./run.ts";

const bench = (...args: string[]) => deno(["run", "-A", "--no-check", "bench/run.ts", ...args]);

for (const runtime of RUNTIMES) {
  Deno.test(`every case of the benchmarks runs in ${runtime}, and loses no item`, async () => {
    const { success, output } = await bench("--smoke", "--runtimes", runtime);
    assert(success, output);
    for (const { cases } of groups) {
      for (const { name } of cases) assert(output.includes(name), name);
    }
    for (const part of ["memory", "latency", "growth", "idle", "size"]) {
      assertMatch(output, new RegExp(`^${part}: `, "m"));
    }
  });
}

Deno.test("an unknown part is refused", async () => {
  const { success, output } = await bench("--groups", "nothing");
  assert(!success);
  assertMatch(output, /no "nothing"; there are: batching, /);
});

Deno.test("an unknown revision is refused", async () => {
  for (const revision of ["no-such-revision", "--help", "HEAD:bench"]) {
    const { success, output } = await bench("--against", revision);
    assert(!success);
    assertEquals(output, `no revision "${revision}"\n`);
  }
});

Deno.test("every case of ours is measured beside the last commit", async () => {
  const args = ["--against", "HEAD", "--smoke", "--groups", "fanout"];
  const { success, output } = await bench(...args);
  assert(success, output);
  assertMatch(output, /^group +case +ns before +ns now +now \/ before +of the least$/m);
  assertMatch(output, /^fanout +Fanout\.consume +[\d.]+ +[\d.]+ +[\d.]+( slower)? +[\d.]+$/m);
});

Deno.test("what has become slower comes first, and what one side lacks is named", () => {
  const measured = (name: string, minimum: number, kind: "weir" | "floor" = "weir") => (
    { group: "g", name, kind, unit: "item", median: 2 * minimum, minimum, ratio: 1 }
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

const cases = groups.flatMap(({ name: group, unit, cases }) =>
  cases.map(({ name, kind, bounded }) => (
    { group, name, kind, bounded, unit, median: 2, minimum: 1, ratio: 0.5 }
  ))
);
const way = { name: "a way", kind: "weir", bounded: true } as const;
const result: Result = {
  runtime: "deno",
  title: "deno 0",
  date: "2000-01-01",
  machine: "a machine",
  rounds: 1,
  noise: 1,
  cases,
  latency: [{ ...way, p50: 5, p99: 10 }],
  growth: [{ group: "g", name: "grows", costs: [{ n: 1e4, nanoseconds: 20 }], ratio: 2.2 }],
  memory: [{ ...way, bytes: 2e6 }],
  idle: [{ name: "an object", bytes: 12, timers: 1 }],
  targets: judge("deno", cases),
};
const report: Report = {
  results: [result],
  sizes: { ".": { minified: 20_000, gzipped: 10_000 } },
  go: {
    version: "go0",
    cases: beside.map(({ against }) => ({ name: against, median: 4, minimum: 3 })),
    skipped: ["channelx: it cannot be had"],
  },
};

Deno.test("what was measured is written as tables", () => {
  const text = markdown(report);
  for (
    const line of [
      "| weir | BatchStream.from | bounded | 2.0 (0.50) |",
      "| weir | a way | bounded | 5.0 / 10.0 |",
      "| g | grows | 20.0; 2.20 (2.0 of it) |",
      "| weir | a way | bounded | 2.00 |",
      "| an object | 12, 1 |",
      "| . | 20.0 | 10.0 |",
      "| Fanout.tryPush | ring of items, tryPush | 1.00 of 1.0 |",
      "| BatchStream.from | pipeTo a no-op sink | 0.30 | 1.00 (3.3 of it) |",
      "| Kratos fanout.Do, 16 workers | 4.0 | Fanout.tryPush | 0.50 | 0.50 ok |",
      "Skipped: channelx: it cannot be had.",
    ]
  ) assert(text.split("\n").includes(line), `${line}\n\n${text}`);
});

Deno.test("every comparison with the ideal names two cases of its group", () => {
  for (const { group, name, against } of ideals) {
    const names = cases.filter((each) => each.group === group).map((each) => each.name);
    for (const each of [name, against]) assert(names.includes(each), each);
  }
});

Deno.test("every comparison with Go names a case of both", async () => {
  const programs = ["channelx", "gozero", "kratos", "singleflight"].map((program) =>
    Deno.readTextFile(`bench/go/${program}/main.go`)
  );
  const sources = (await Promise.all(programs)).join();
  for (const { group, name, against } of beside) {
    assert(sources.includes(`Name: "${against}"`), against);
    assert(cases.some((each) => each.group === group && each.name === name), name);
  }
});

Deno.test("what was measured is drawn", () => {
  for (const draw of [throughput, memory, latency]) {
    assertMatch(draw([result]), /^<svg .*<\/svg>\n$/s);
  }
});
