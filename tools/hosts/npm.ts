/** Bun and the Nodes: their own test runners. */

import type { HostName } from "../../tests/support/host.ts";
import { run } from "../run.ts";
import { binary, title } from "../runtimes.ts";
import { bundleForNode } from "./bundle.ts";
import type { Host } from "./host.ts";
import { report } from "./junit.ts";

// The tests have limits of their own; this ends what blocks the thread. Node's is for a whole file.
const LIMIT = 5 * 60_000;

/** The Bun of the repository, which reads the tests as they are. */
export const bun: Host = {
  name: "bun",
  pinned: true,
  title: () => Promise.resolve(title("bun")),
  async run(files) {
    const xml = await freshReport("bun");
    const args = [`--timeout=${LIMIT}`, "--reporter=junit", `--reporter-outfile=${xml}`];
    return report("bun", xml, await run(await binary("bun"), ["test", ...args, ...files]));
  },
};

/** A Node. 20 strips no types, so all of them run bundles. */
function node(name: HostName & `node${number}`): Host {
  return {
    name,
    pinned: true,
    title: () => Promise.resolve(title(name)),
    async run(files) {
      const xml = await freshReport(name);
      const finished = await run(await binary(name), [
        "--test",
        "--enable-source-maps",
        `--test-timeout=${LIMIT}`,
        "--test-reporter=tap",
        "--test-reporter-destination=stdout",
        "--test-reporter=junit",
        `--test-reporter-destination=${xml}`,
        ...await bundleForNode(files),
      ]);
      return report(name, xml, finished);
    },
  };
}

/** The versions of Node that are supported. */
export const nodes: readonly Host[] = [node("node20"), node("node22"), node("node24")];

/** Where a report goes, and none is yet. */
export async function freshReport(name: HostName): Promise<string> {
  const path = `.build/reports/${name}.xml`;
  await Deno.mkdir(".build/reports", { recursive: true });
  await Deno.remove(path).catch(() => {});
  return path;
}
