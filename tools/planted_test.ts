/** Every patch of tests/planted says what it needs to be judged by. */

import { assert, assertEquals } from "@std/assert";
import { bugs, patchOf } from "./planted/bugs.ts";
import { testFiles } from "./suite.ts";

const planted = await bugs();

Deno.test("every planted bug names test files that there are", async () => {
  const files = await testFiles("tests");
  const unknown = planted.flatMap(({ name, tests }) =>
    tests.filter((begin) => !files.some((file) => file.startsWith(`tests/${begin}`)))
      .map((begin) => `${patchOf(name)}: ${begin}`)
  );
  assertEquals(unknown, []);
  assert(planted.length > 0);
});

Deno.test("every planted bug changes src/ and nothing else", () => {
  const others = planted.filter(({ diff }) => {
    const files = [...diff.matchAll(/^(?:--- a|\+\+\+ b)\/(.*)$/gm)].map(([, file]) => file!);
    return files.length === 0 || files.some((file) => !file.startsWith("src/"));
  });
  assertEquals(others.map(({ name }) => name), []);
});
