/** `deno task demo:cluster`, as a stranger runs it. */

import { assertEquals, assertMatch } from "@std/assert";
import { deno } from "../../../../tools/run.ts";

Deno.test("demo:cluster: each row is there once, though a worker is killed, in Deno, Bun and Node", async () => {
  const options = ["--rows", "20000", "--workers", "3", "--runtimes", "deno,bun,node"];
  const { success, output } = await deno(["task", "demo:cluster", ...options]);
  assertMatch(output, /Killed worker 1 \(deno\)/);
  assertMatch(output, /published +20,000 rows, sum ([\d,]+)\nin SQLite +20,000 rows, sum \1\n/);
  assertMatch(output, /\nOK: each row is there, once\.\n/);
  assertEquals(success, true, output);
});

Deno.test("demo:cluster: an option that is wrong is named, and nothing is started", async () => {
  const { success, output } = await deno(["task", "demo:cluster", "--runtimes", "dino"]);
  assertEquals(success, false);
  assertMatch(output, /--runtimes must be some of deno, bun, node; got dino\n/);
});
