/** The benchmarks run, lose nothing, and their targets name cases that exist. */

import { assert, assertMatch } from "@std/assert";
import { chart } from "../bench/chart.ts";
import { groups } from "../bench/groups.ts";
import { markdown, type Result } from "../bench/report.ts";
import { judge } from "../bench/targets.ts";
import { deno } from "./run.ts";

Deno.test("every case of the benchmarks runs, and loses no item", async () => {
  const { success, output } = await deno(["run", "-A", "--no-check", "bench/run.ts", "--smoke"]);
  assert(success, output);
  for (const { cases } of groups) {
    for (const { name } of cases) assert(output.includes(name), name);
  }
});

Deno.test("an unknown group is refused", async () => {
  const args = ["run", "-A", "--no-check", "bench/run.ts", "--groups", "nothing"];
  const { success, output } = await deno(args);
  assert(!success);
  assertMatch(output, /no "nothing"; there are: batching, /);
});

Deno.test("what was measured is written as a table and as a chart", () => {
  const cases = groups.flatMap(({ name: group, unit, cases }) =>
    cases.map(({ name, kind }) => ({ group, name, kind, unit, median: 2, minimum: 1, ratio: 0.5 }))
  );
  const result: Result = {
    runtime: "deno",
    title: "deno 0",
    date: "2000-01-01",
    rounds: 1,
    noise: 1,
    cases,
    targets: judge("deno", cases),
  };
  assertMatch(markdown([result]), /^\| weir \| BatchStream\.from \| 2\.0 \(0\.50\) \|$/m);
  assertMatch(markdown([result]), /\| 1\.10 \| 1\.00 ok \|$/m);
  assertMatch(chart([result]), /^<svg .*<\/svg>\n$/s);
});
