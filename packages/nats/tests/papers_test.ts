/** Checks what the package claims about itself. */

import { assertEquals } from "@std/assert";
import { readdir, readFile } from "node:fs/promises";
import { test } from "../../../tests/support/test.ts";

const HOME = "packages/nats";

/** The packages that the sources of each part may import. */
const ALLOWED: Record<string, readonly string[]> = {
  "delivery.ts": [],
  "memory.ts": [],
  "mod.ts": ["@nats-io/jetstream", "@nats-io/nats-core"],
  "src/delivery": [],
  "src/jetstream": [
    "@nats-io/jetstream",
    "@nats-io/nats-core",
    "@weir/streams/backoff",
    "@weir/streams/fanout",
  ],
  "src/memory": [],
};

test("the acknowledgements and the broker in memory import nothing of NATS", async () => {
  for (const [part, allowed] of Object.entries(ALLOWED)) {
    const names = part.endsWith(".ts")
      ? [part]
      : (await readdir(`${HOME}/${part}`)).map((name) => `${part}/${name}`);
    const texts = await Promise.all(names.map((name) => readFile(`${HOME}/${name}`, "utf8")));
    const imports = texts.flatMap((text) => [...text.matchAll(/ from "([^".][^"]*)"/g)]);
    const foreign = imports
      .map(([, target]) => target!)
      .filter((target) => !target.startsWith("@weir/nats") && !allowed.includes(target));
    // Examples in comments have the imports of a user.
    assertEquals(foreign.filter((target) => target.startsWith("@nats-io/")), [], part);
  }
});
