/** Runs the benchmark, which checks itself that it loses nothing. */

import { assert, assertEquals } from "@std/assert";
import { deno } from "../../../../tools/run.ts";

Deno.test("the comparison with the bare client runs, and prints its table", async () => {
  const args = ["task", "bench:nats", "--messages", "600", "--rounds", "1"];
  const { success, output } = await deno(args);
  assert(success, output);
  const rows = output.split("\n").filter((line) => line.startsWith("| "));
  assertEquals(rows.length, 17, output);
});
