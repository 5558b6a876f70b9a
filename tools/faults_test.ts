/** Every fault of docs/contract.md is tested on every primitive that it concerns. */

import { assertEquals } from "@std/assert";
import { matrix, page } from "./faults.ts";

const rows = await matrix();

Deno.test("every fault has a test on every primitive that it concerns, or a reason why not", () => {
  const missing = rows.flatMap(({ id, missing }) => missing.map((name) => `${name} [${id}]`));
  assertEquals(missing, []);
});

Deno.test("no exception in docs/faults.md is needless", () => {
  const needless = rows.flatMap(({ id, needless }) => needless.map((name) => `${name} [${id}]`));
  assertEquals(needless, []);
});

Deno.test("the table in docs/faults.md is what the tests are", async () => {
  const written = await Deno.readTextFile("docs/faults.md");
  assertEquals(written, await page(rows), "run `deno run -A tools/faults.ts`, and commit the page");
});
