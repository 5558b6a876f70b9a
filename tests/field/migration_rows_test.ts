/** Each row of the tables of docs/migration.md has a test, and each such test has a row. */

import { assert, assertEquals } from "@std/assert";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "../support/test.ts";

const PAGE = "docs/migration.md";
const FOLDER = "tests/field";

/** `library: first cell`, for each row of the page that starts with code of the library. */
function rows(): string[] {
  const found: string[] = [];
  let library = "";
  let inside = false;
  for (const line of readFileSync(PAGE, "utf8").split("\n")) {
    if (line.startsWith("## ")) library = line.slice(3);
    if (!line.startsWith("|")) inside = false;
    else if (/^\| you write /.test(line)) inside = true;
    else if (inside && !/^\| -/.test(line)) {
      const [, cell = ""] = line.split(/(?<!\\)\|/);
      found.push(`${library}: ${cell.trim().replaceAll("`", "").replaceAll("\\|", "|")}`);
    }
  }
  return found;
}

/** The same of the names of the tests: `migration library: first cell -> what ours is`. */
function tests(): string[] {
  return readdirSync(FOLDER).filter((name) => /^migration_.*_test\.ts$/.test(name))
    .flatMap((name) => {
      const source = readFileSync(`${FOLDER}/${name}`, "utf8");
      return [...source.matchAll(/"migration ([^:"]+: [^"]+?) -> [^"]+"/g)].map(([, row]) => row!);
    });
}

test("migration: the rows of the page and the tests are the same", () => {
  assert(rows().length > 60, `${rows().length} rows`);
  assertEquals(tests().toSorted(), rows().toSorted());
});
