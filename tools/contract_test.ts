/** Every rule and fault of docs/contract.md has a test with its id in its name, and nobody invents one. */

import { assertEquals } from "@std/assert";
import { contract } from "./contract.ts";
import { ids, tests } from "./test_names.ts";

const { sections, faults } = await contract();
const known = [...sections.flatMap(({ rules }) => rules), ...faults].map(({ id }) => id);
const tested = new Set((await tests()).flatMap(({ name }) => ids(name)));

Deno.test("every rule and fault of the contract has a test", () => {
  assertEquals(known.filter((id) => !tested.has(id)), []);
});

Deno.test("every id in a test's name is on the page", () => {
  assertEquals([...tested].filter((id) => !known.includes(id)), []);
});

Deno.test("every id in a table of docs/from-go.md is on the page", async () => {
  const rows = (await Deno.readTextFile("docs/from-go.md")).match(/^\|.*$/gm)!;
  assertEquals(rows.flatMap(ids).filter((id) => !known.includes(id)), []);
});
