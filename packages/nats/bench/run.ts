/**
 * Compares the package with the bare client in every runtime: `deno task bench:nats`. It starts its
 * own server, and prints the tables of the README.
 */

import { parseArgs } from "node:util";
import { stop } from "esbuild";
import { bundleForNode } from "../../../tools/hosts/bundle.ts";
import { withNatsServer } from "../../../tools/nats_server.ts";
import { run } from "../../../tools/run.ts";
import { binary, title } from "../../../tools/runtimes.ts";
import { NatsServer } from "../tests/field/nats_server.ts";

const RUNTIMES = ["deno", "bun", "node24"] as const;
type Runtime = typeof RUNTIMES[number];

const OURS = ["jetStreamSource", "JetStreamSink"];

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "50000" },
    rounds: { type: "string", default: "7" },
  },
});

const { missing } = await withNatsServer(async () => {
  const [bundle] = await bundleForNode(["packages/nats/bench/cases.ts"], ".build/bench-nats");
  await stop();
  const results = new Map<Runtime, Record<string, number[]>>();
  for (const runtime of RUNTIMES) {
    await using server = await NatsServer.start();
    const args = [bundle!, server.url, values.messages, values.rounds];
    const { success, output } = runtime === "deno"
      ? await run(Deno.execPath(), ["run", "-A", ...args])
      : await run(await binary(runtime), args);
    if (!success) throw new Error(`${runtime}: ${output}`);
    results.set(runtime, JSON.parse(output));
  }
  console.log(table(results));
  return { passed: 1, failed: 0, output: "" };
});
if (missing !== undefined) {
  console.error(missing);
  Deno.exit(1);
}

/** Thousands of messages per second, and the ratio of ours to the others, round by round. */
function table(results: Map<Runtime, Record<string, number[]>>): string {
  const lines = [["thousands of messages per second", ...RUNTIMES.map(title)]];
  lines.push(lines[0]!.map(() => "-"));
  const all = [...results.values()];
  for (const name of Object.keys(all[0]!)) {
    lines.push([name, ...all.map((result) => (median(result[name]!) / 1000).toFixed(1))]);
  }
  let theirs: string[] = [];
  for (const name of Object.keys(all[0]!)) {
    if (!OURS.some((ours) => name.startsWith(ours))) {
      theirs.push(name);
      continue;
    }
    for (const other of theirs) {
      const ratios = all.map((result) =>
        median(result[name]!.map((rate, round) => rate / result[other]![round]!)).toFixed(2)
      );
      lines.push([`${name} / ${other}`, ...ratios]);
    }
    theirs = [];
  }
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}
