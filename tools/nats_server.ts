/** The NATS server of the tests: that of Go, of a fixed version, kept beside the runtimes. */

import { run } from "./run.ts";
import type { Outcome } from "./suite.ts";

// Debian's is 2.9, which takes the TTL of a key and ignores it.
const VERSION = "2.15.3";
const MODULE = "github.com/nats-io/nats-server/v2";
const HOME = decodeURIComponent(new URL("../.runtimes/", import.meta.url).pathname);

/** Where Go may be, though no `PATH` says so. */
const GO = ["go", "/usr/local/go/bin/go"];

/** What needs the server: where it cannot be built it is left out, and says what to install. */
export async function withNatsServer(test: () => Promise<Outcome>): Promise<Outcome> {
  const missing = await install();
  if (missing === undefined) return await test();
  return { passed: 0, failed: 0, missing, output: "" };
}

/** Returns why there is none. */
async function install(): Promise<string | undefined> {
  const home = `${HOME}nats-server-${VERSION}`;
  if (await Deno.stat(`${home}/nats-server`).then(() => true, () => false)) return;
  const go = await find();
  if (go === undefined) return "no Go found, which builds the NATS server; see go.dev/doc/install";
  await Deno.mkdir(home, { recursive: true });
  const { success, output } = await run(go, ["install", `${MODULE}@v${VERSION}`], {
    env: { GOBIN: home },
  });
  if (!success) return `Go has not built the NATS server ${VERSION}:\n${output}`;
}

async function find(): Promise<string | undefined> {
  for (const command of GO) {
    try {
      const { success } = await run(command, ["version"]);
      if (success) return command;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

if (import.meta.main) {
  const missing = await install();
  if (missing !== undefined) {
    console.error(missing);
    Deno.exit(1);
  }
}
