/** What docs/contract.md promises and no test holds, by the ids in the names of the tests. */

import * as library from "../mod.ts";

const PAGE = "docs/contract.md";
const FROM_GO = "docs/from-go.md";
const PLANTED = "tests/planted";

/** What is tested by itself though it is no class of its own. */
const VARIANT = "BatchStream with a collector";
/** Exports that are no primitives: what has no items and no end. */
const ASIDE = ["RateLimit", "Sink", "backoff", "byteLength"];

/** What is compared. */
export interface Facts {
  /** The text of the page. */
  readonly contract: string;
  /** The names of the tests that have run. */
  readonly tests: readonly string[];
  /** The names that a fault of "all" concerns. */
  readonly primitives: readonly string[];
  /** Lines of other files, with ids that the page must have. */
  readonly mentions: readonly string[];
}

/** What is wrong with the repository, by the tests that have run; for the gate. */
export async function complaints(tests: readonly string[]): Promise<string[]> {
  const names = Object.keys(library).filter((name) => !ASIDE.includes(name));
  return unheld({
    contract: await Deno.readTextFile(PAGE),
    tests,
    primitives: [...names, VARIANT],
    mentions: [...await rows(FROM_GO), ...await planted()],
  });
}

/** The ids that the page, the tests and the others do not have of each other. */
export function unheld({ contract, tests, primitives, mentions }: Facts): string[] {
  const known = entries(contract);
  const held = new Set<string>();
  for (const test of tests) {
    for (const id of ids(test)) {
      for (const name of ["", ...named(test, primitives)]) held.add(`${id} ${name}`.trim());
    }
  }
  return [
    ...[...known.keys()].filter((id) => !held.has(id)).map((id) => `no test holds [${id}]`),
    ...[...known].filter(([id]) => held.has(id)).flatMap(([id, text]) =>
      concerned(id, text, primitives).filter((name) => !held.has(`${id} ${name}`))
        .map((name) => `no test holds ${name} to [${id}]`)
    ),
    ...[...tests, ...mentions].flatMap((line) =>
      ids(line).filter((id) => !known.has(id)).map((id) => `${PAGE} has no [${id}]: ${line}`)
    ),
  ];
}

/** The rules and the faults of the page: what stands behind their ids. */
function entries(contract: string): Map<string, string> {
  const parts = contract.replaceAll("`", "").replace(/\s+/g, " ").split("- **[").slice(1);
  return new Map(parts.map((part) => {
    const [id = "", text = ""] = part.split("]** ", 2);
    return [id, text];
  }));
}

/** What a fault has to be tested on: what stands before its first colon. */
function concerned(id: string, text: string, primitives: readonly string[]): string[] {
  if (!id.startsWith("F-")) return [];
  const head = text.slice(0, text.indexOf(":"));
  const names = named(head, primitives);
  return head.startsWith("all") ? primitives.filter((name) => !names.includes(name)) : names;
}

/** The primitives that a text names; one whose name is within a longer one counts only by itself. */
function named(text: string, primitives: readonly string[]): string[] {
  return primitives.toSorted((a, b) => b.length - a.length).filter((name) => {
    const found = text.includes(name);
    text = text.replaceAll(name, "");
    return found;
  });
}

/** The ids in a text, such as `[5.3]` and `[F-14]`. */
function ids(text: string): string[] {
  return [...text.matchAll(/\[(\d(?:\.\w+)?|F-\d\d)\]/g)].map((match) => match[1]!);
}

/** The rows of the tables of a page. */
async function rows(page: string): Promise<string[]> {
  return (await Deno.readTextFile(page)).split("\n").filter((line) => line.startsWith("|"));
}

/** The planted bugs, and the rule that each of them names. */
async function planted(): Promise<string[]> {
  const lines: string[] = [];
  for await (const { name } of Deno.readDir(PLANTED)) {
    if (!name.endsWith(".patch")) continue;
    const [first = ""] = (await Deno.readTextFile(`${PLANTED}/${name}`)).split("\n");
    lines.push(`${name} [${first.replace("Rule: ", "")}]`);
  }
  return lines;
}
