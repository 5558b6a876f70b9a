/** The NATS server of the tests: a fixed version, built with Go, kept beside the runtimes. */

import { run } from "./run.ts";
import type { Outcome } from "./suite.ts";

// Debian has 2.9, which accepts the TTL of a key but ignores it.
const VERSION = "2.15.3";
const MODULE = "github.com/nats-io/nats-server/v2";
const RUNTIMES = decodeURIComponent(new URL("../.runtimes/", import.meta.url).pathname);
const HOME = `${RUNTIMES}nats-server-${VERSION}`;

/** The path where `install` puts it. */
export const NATS_SERVER: string = `${HOME}/nats-server`;

/** Places where Go may be outside `PATH`. */
const GO = ["go", "/usr/local/go/bin/go"];

/**
 * Runs tests that need the server. If it can't be built, they are left out, and the report says
 * what to install.
 */
export async function withNatsServer(test: () => Promise<Outcome>): Promise<Outcome> {
  const missing = await install();
  if (missing === undefined) return await test();
  return { passed: 0, failed: 0, missing, output: "" };
}

/** Builds the server, unless it exists. Returns the reason if that fails. */
export async function install(): Promise<string | undefined> {
  if (await Deno.stat(NATS_SERVER).then(() => true, () => false)) return;
  const go = await find();
  if (go === undefined) return "no Go found, which builds the NATS server; see go.dev/doc/install";
  await Deno.mkdir(HOME, { recursive: true });
  const { success, output } = await run(go, ["install", `${MODULE}@v${VERSION}`], {
    env: { GOBIN: HOME },
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
