/** docs/guarantees.md is what the contract, the tests, the races and their record are. */

import { assertEquals } from "@std/assert";
import { page } from "./guarantees.ts";

Deno.test("docs/guarantees.md names what holds each promise, and how often it was held", async () => {
  const written = await Deno.readTextFile("docs/guarantees.md");
  assertEquals(written, await page(), "run `deno run -A tools/guarantees.ts`, and commit the page");
});
