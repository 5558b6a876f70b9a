/** All that is tested: the quick tier, which everybody runs before a commit, and the thorough one. */

import { api } from "./api.ts";
import * as checks from "./checks.ts";
import { withNatsServer } from "./nats_server.ts";
import { exploreAll } from "./explore.ts";
import { load } from "../tests/load/all.ts";
import { planted } from "./planted.ts";
import { playRaces } from "./races.ts";
import { chromium } from "./hosts/browser.ts";
import { bun, deno, nodes } from "./hosts/runners.ts";
import {
  around,
  denoTest,
  drivingBrowsers,
  hosts,
  needing,
  type Outcome,
  suite,
  testFiles,
} from "./suite.ts";

/** Something that is tested, and counted. */
export interface Step {
  readonly name: string;
  /** Whether it is the suite in a runtime. */
  readonly suite?: true;
  /** Run it, a suite with some of its files only. */
  readonly run: (files: readonly string[]) => Promise<Outcome>;
}

const QUICK_HOSTS = ["deno", "bun", "node24"];

const quickHosts = hosts.filter(({ name }) => QUICK_HOSTS.includes(name));
const suites = hosts.map((host): Step => {
  return { name: host.name, suite: true, run: (files) => suite(host, files) };
});
const isQuick = ({ name }: Step) => QUICK_HOSTS.includes(name);

/** Tests that need permissions, as processes do. */
function tests(...paths: string[]): Promise<Outcome> {
  return denoTest(["--allow-all", ...paths]);
}

/** What `deno task check` does. */
export const sources: readonly Step[] = [
  { name: "format", run: checks.format },
  { name: "lint", run: checks.lint },
  { name: "types", run: checks.types },
  { name: "types of hosts", run: checks.hostTypes },
  { name: "unused", run: checks.unused },
  { name: "doc lint", run: checks.docLint },
  { name: "api", run: () => api() },
  { name: "doc tests", run: checks.docTests },
];

/** What `deno task test` does. */
export const quick: readonly Step[] = [
  // What is broken is told within seconds, and by which rule.
  ...suites.filter(isQuick),
  ...sources,
  {
    name: "architecture",
    run: () =>
      tests(
        "tools/architecture_test.ts",
        "tools/contract_test.ts",
        "tools/bench_test.ts",
        "tools/errors_test.ts",
        "tools/prose_test.ts",
        "tools/pages_test.ts",
      ),
  },
  { name: "races", run: () => playRaces(5000) },
];

/** What `deno task test:all` does besides. */
export const thorough: readonly Step[] = [
  { name: "load", run: () => load() },
  { name: "planted bugs", run: () => planted() },
  { name: "long races", run: () => playRaces(20_000) },
  { name: "explorer", run: () => exploreAll() },
  { name: "coverage", run: checks.coverage },
  { name: "packages", run: () => tests("tests/consumer", "tools/release_test.ts") },
  { name: "examples", run: () => tests("examples") },
  { name: "benchmarks", run: checks.benchmarks },
  {
    name: "browser",
    run: () =>
      drivingBrowsers([
        "tests/field/browser_beacon_test.ts",
        "tests/field/browser_modules_test.ts",
      ]),
  },
  { name: "site", run: () => tests("tests/field/site_test.ts") },
  {
    name: "play",
    run: () => drivingBrowsers(["tests/field/play_test.ts"], [chromium]),
  },
  {
    name: "migration",
    run: async () => around(quickHosts, await testFiles("tests/field", "migration_")),
  },
  {
    name: "children",
    run: () => tests("tests/children", "packages/opentelemetry/tests/children"),
  },
  {
    name: "redis",
    run: () => needing("redis-server", () => around(quickHosts, ["tests/field/redis_test.ts"])),
  },
  {
    name: "node streams",
    run: async () => around([deno, bun, ...nodes], await testFiles("tests/field", "node_streams_")),
  },
  {
    name: "opentelemetry",
    run: async () =>
      await around([deno, bun, ...nodes], await testFiles("packages/opentelemetry/tests")),
  },
  {
    name: "prometheus",
    run: () => around(quickHosts, ["tests/field/prometheus_test.ts"]),
  },
  {
    name: "brokers",
    run: () =>
      around(quickHosts, [
        "tests/field/sqs_test.ts",
        "tests/field/kafka_test.ts",
        "tests/field/kafka_seeds_test.ts",
        "tests/field/cloudflare_queues_test.ts",
      ]),
  },
  {
    name: "deliveries",
    run: async () => await around([deno, bun, ...nodes], await testFiles("packages/nats/tests")),
  },
  {
    name: "nats",
    run: () =>
      withNatsServer(async () =>
        await around(quickHosts, await testFiles("packages/nats/tests/field"))
      ),
  },
  {
    name: "cluster",
    run: () => withNatsServer(() => tests("packages/nats/tests/cluster")),
  },
  ...suites.filter((step) => !isQuick(step)),
];
