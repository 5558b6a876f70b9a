/** Checks that the README and the dashboard match the metrics of the code. */

import { assert, assertEquals } from "@std/assert";
import { readdir, readFile } from "node:fs/promises";
import { test } from "../../../tests/support/test.ts";
import { type Metric, METRICS } from "../src/metrics.ts";
import { SCOPE, VERSION } from "../src/version.ts";

const HOME = "packages/opentelemetry";
const HEAD = ["metric", "instrument", "unit", "attributes", "from"];
/** One word in the table stands for these; the text above it explains that. */
const OPERATION = ["messaging.system", "messaging.destination.name", "messaging.operation.name"];
const KINDS = {
  total: "counter",
  level: "up-down counter",
  histogram: "histogram",
};

/** The suffixes that a collector appends to a name. It drops annotations such as `{item}`. */
const UNITS: Record<string, string> = { s: "_seconds", By: "_bytes" };

/** Metrics of the table that the dashboard leaves out, and why. */
const NOT_SHOWN = new Map([
  ["weir.stream.waiting", "less than one piece"],
]);

test("the README of the package has the table of the metrics", async () => {
  const readme = (await readFile(`${HOME}/README.md`, "utf8")).replaceAll(/\s*\n(?=\w|`)/g, " ");
  const [, block = ""] = readme.split(/<!-- \/?metrics -->/);
  const lines = block.trim().split("\n");
  const cells = lines.map((line) => line.slice(1, -1).split("|").map((cell) => cell.trim()));
  assert(
    readme.includes(OPERATION.map((key) => `\`${key}\``).join(", ")),
    "the meaning of operation",
  );
  const rule = HEAD.map(() => "-");
  const actual = cells.map((row) => row.map((cell) => cell.replace(/^-+$/, "-")));
  const rows = METRICS.map(rowOf);
  const text = [HEAD, rule, ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
  assertEquals(actual, [HEAD, rule, ...rows], `the table should be\n${text}`);
});

test("the dashboard uses metrics of the table, and shows all except the listed exceptions", async () => {
  const { panels } = JSON.parse(await readFile(`${HOME}/grafana/weir.json`, "utf8")) as {
    panels: Array<{ title: string; targets: Array<{ expr: string }> }>;
  };
  const known = new Map(
    METRICS.flatMap((metric) =>
      prometheusNames(metric).map((name) => [name, metric.name] as const)
    ),
  );
  const shown = new Set<string>();
  for (const { title, targets } of panels) {
    assert(targets.length > 0, title);
    for (const { expr } of targets) {
      // Labels are in braces, or after `by`.
      const bare = expr.replace(/\{[^}]*\}|by \([^)]*\)/g, "");
      const names = bare.match(/\b(weir|messaging)_\w+/g) ?? [];
      const [name, ...others] = new Set(names.map((name) => known.get(name)));
      assert(name !== undefined, `${title}: there is none of ${names}`);
      assertEquals(others, [], expr);
      // Each exporter has series only under its own names.
      const asked = METRICS.find((metric) => metric.name === name)!;
      assertEquals(names.length, asked.unit in UNITS ? 2 : 1, `${title}: with units and without`);
      assertEquals(new Set(names).size, names.length, expr);
      shown.add(name);
    }
  }
  const missing = METRICS.map(({ name }) => name).filter((name) => !shown.has(name));
  assertEquals(missing, [...NOT_SHOWN.keys()]);
});

test("the dashboard filters by labels that its metrics have", async () => {
  const { panels } = JSON.parse(await readFile(`${HOME}/grafana/weir.json`, "utf8")) as {
    panels: Array<{ targets: Array<{ expr: string }> }>;
  };
  for (const { expr } of panels.flatMap(({ targets }) => targets)) {
    const [, name] = /\b((?:weir|messaging)_\w+)\{/.exec(expr)!;
    const { attributes } = METRICS.find((metric) => prometheusNames(metric).includes(name!))!;
    const labels = new Set(attributes.map((key) => key.replaceAll(".", "_")));
    const inBraces = [...expr.matchAll(/(\w+)=~/g)].map(([, label]) => label!);
    const inBy = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(", "));
    const used = [...inBraces, ...inBy].filter((label) => label !== "le");
    assertEquals(used.filter((label) => !labels.has(label)), [], expr);
  }
});

test("the names of the metrics come from the conventions, or begin with weir", () => {
  const names = METRICS.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
  for (const name of names) assert(/^(weir|messaging)(\.[a-z]+)+$/.test(name), name);
});

test("the sources import only the OpenTelemetry API and each other", async () => {
  const files = (await readdir(`${HOME}/src`)).map((name) => `src/${name}`);
  const texts = await Promise.all(["mod.ts", ...files].map((name) => readFile(`${HOME}/${name}`)));
  const imports = texts.flatMap((text) =>
    `${text}`.match(/^(?:import|export|\}).* from ".*"/gm) ?? []
  );
  const targets = new Set(imports.map((line) => /"(?:\.\/(?:src\/)?)?([^"]*)"/.exec(line)![1]!));
  const own = files.map((name) => name.slice("src/".length));
  assertEquals([...targets].sort(), ["@opentelemetry/api", ...own].sort());
});

test("the version in the code equals the version of the package", async () => {
  const { name, version } = JSON.parse(await readFile(`${HOME}/deno.json`, "utf8"));
  assertEquals([SCOPE, VERSION], [name, version]);
});

function rowOf({ name, kind, unit, attributes, source }: Metric): string[] {
  const code = (text: string) => `\`${text}\``;
  const own = attributes.filter((key) => !OPERATION.includes(key)).map(code);
  const cell = own.length === attributes.length ? own : ["operation", ...own];
  return [code(name), KINDS[kind], code(unit), cell.join(", "), source];
}

/**
 * Returns its series in Prometheus. A collector and Prometheus' own receiver add the unit to the
 * name; the exporter of the JavaScript SDK does not.
 */
function prometheusNames({ name, kind, unit }: Metric): string[] {
  const base = name.replaceAll(".", "_");
  const bases = unit in UNITS ? [base + UNITS[unit], base] : [base];
  const parts = { histogram: ["_bucket", "_sum", "_count"], total: ["_total"], level: [""] }[kind];
  return bases.flatMap((base) => parts.map((part) => base + part));
}
