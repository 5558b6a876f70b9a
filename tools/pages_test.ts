/**
 * The README is short, and its first program prints the lines that stand below it. Each page of docs/
 * says which page is next.
 */

import { assert, assertEquals } from "@std/assert";

const readme = await Deno.readTextFile("README.md");

/** The blocks of one language, in order. */
function blocks(language: string): string[] {
  return [...readme.matchAll(new RegExp("^```" + language + "\\n(.*?)^```$", "gms"))]
    .map(([, block = ""]) => block);
}

Deno.test("the first program of the README prints what stands below it", async () => {
  const [program = ""] = blocks("ts");
  const [printed = ""] = blocks("text");
  const library = import.meta.resolve("../mod.ts");
  const scratch = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(scratch, program.replaceAll('"@weir/streams"', JSON.stringify(library)));
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", scratch],
  }).output();
  await Deno.remove(scratch);
  assert(printed !== "");
  assertEquals(new TextDecoder().decode(stdout), printed);
});

Deno.test("the README is about 150 lines", () => {
  const lines = readme.split("\n").length;
  assert(lines <= 160, `${lines} lines: move something to docs/`);
});

for (const folder of ["docs", "docs/recipes"]) {
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.endsWith(".md") || name === "index.md") continue;
    Deno.test(`${folder}/${name} says which page is next`, async () => {
      assert(/^Next: .*\]\(.*\)/m.test(await Deno.readTextFile(`${folder}/${name}`)));
    });
  }
}
