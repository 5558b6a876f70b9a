/** Every rule and fault of docs/contract.md has a test with its id in its name, and no test invents one. */

import { assertEquals } from "@std/assert";

const ID = /\[([37]|[4-7]\.\w+|F-\d\d)\]/g;

const contract = await Deno.readTextFile("docs/contract.md");
const rules = [...contract.matchAll(/^- \*\*\[(.+?)\]\*\*/gm)].map((match) => match[1]!);
const faults = [...contract.matchAll(/^\| (F-\d\d) /gm)].map((match) => match[1]!);

Deno.test("every rule and fault of the contract has a test", async () => {
  const tested = await idsInTests();
  assertEquals([...rules, ...faults].filter((id) => !tested.has(id)), []);
});

Deno.test("every id in a test's name is on the page", async () => {
  const known = new Set([...rules, ...faults]);
  assertEquals([...await idsInTests()].filter((id) => !known.has(id)), []);
});

/** Those in strings of the suite: most names are written out, some are put together from a table. */
async function idsInTests(): Promise<Set<string>> {
  const ids = new Set<string>();
  for (const folder of ["tests", "tests/support", "tests/races"]) {
    for await (const { name } of Deno.readDir(folder)) {
      if (!name.endsWith(".ts")) continue;
      const source = await Deno.readTextFile(`${folder}/${name}`);
      for (const line of source.split("\n")) {
        if (!/["'`]/.test(line)) continue;
        for (const match of line.matchAll(ID)) ids.add(match[1]!);
      }
    }
  }
  return ids;
}
