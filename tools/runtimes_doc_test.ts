/** `docs/runtimes.md` says of each runtime what the tests know of it. */

import { assertEquals } from "@std/assert";
import { type Difference, differences } from "../tests/support/differences.ts";
import { hosts } from "./suite.ts";

const DOC = "docs/runtimes.md";

/** The cells of the first table under a heading, without its head. */
function tableUnder(text: string, heading: string): string[][] {
  const [, section = ""] = text.split(`\n## ${heading}\n`);
  const [table = ""] = /(^\|.*\n)+/m.exec(section.split("\n## ")[0]!) ?? [];
  const rows = table.trim().split("\n").slice(2);
  return rows.map((row) => row.split("|").slice(1, -1).map((cell) => cell.trim()));
}

function row({ hosts, effect, reason }: Difference): string[] {
  return [hosts.join(", "), effect, reason];
}

Deno.test("docs/runtimes.md has a row for each difference of a runtime", async () => {
  const rows = tableUnder(await Deno.readTextFile(DOC), "What differs");
  assertEquals(rows, differences.map(row));
});

Deno.test("docs/runtimes.md has a row for each runtime, with the version that is pinned", async () => {
  const rows = tableUnder(await Deno.readTextFile(DOC), "What is tested");
  const known = await Promise.all(hosts.map(async ({ name, title, pinned }) => {
    const [, version = ""] = pinned ? (await title()).split(" ") : [];
    return [name, version];
  }));
  assertEquals(
    rows.map(([name, version]) => [name, version!.replace(/^Debian's$|^yours$/, "")]),
    known,
  );
});
