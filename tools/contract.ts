/** Finds promises of docs/contract.md without a test, by the ids in the names of the tests. */

import * as library from "../mod.ts";

const PAGE = "docs/contract.md";
const FROM_GO = "docs/from-go.md";
const PLANTED = "tests/planted";

/** A variant that needs separate tests, though it is not a separate class. */
const VARIANT = "BatchStream with a collector";
/** Exports that aren't primitives, because they have no items and no end. */
const ASIDE = ["RateLimit", "Sink", "backoff", "byteLength"];

/** The compared texts and names. */
export interface Facts {
  /** The text of the page. */
  readonly contract: string;
  /** The names of the tests that ran. */
  readonly tests: readonly string[];
  /** The names that a fault of "all" concerns. */
  readonly primitives: readonly string[];
  /** Lines of other files whose ids must be on the page. */
  readonly mentions: readonly string[];
}

/** Returns the complaints about the repository, given the tests that ran, for the gate. */
export async function complaints(tests: readonly string[]): Promise<string[]> {
  const names = Object.keys(library).filter((name) => !ASIDE.includes(name));
  return unheld({
    contract: await Deno.readTextFile(PAGE),
    tests,
    primitives: [...names, VARIANT],
    mentions: [...await rows(FROM_GO), ...await planted()],
  });
}

/**
 * Compares the ids of the page, the tests and the other files, and returns those that are missing.
 */
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

/** Returns the rules and the faults of the page, by id. */
function entries(contract: string): Map<string, string> {
  const parts = contract.replaceAll("`", "").replace(/\s+/g, " ").split("- **[").slice(1);
  return new Map(parts.map((part) => {
    const [id = "", text = ""] = part.split("]** ", 2);
    return [id, text];
  }));
}

/** Returns the primitives that a fault concerns: the text before its first colon names them. */
function concerned(id: string, text: string, primitives: readonly string[]): string[] {
  if (!id.startsWith("F-")) return [];
  const head = text.slice(0, text.indexOf(":"));
  const names = named(head, primitives);
  return head.startsWith("all") ? primitives.filter((name) => !names.includes(name)) : names;
}

/**
 * Returns the primitives that a text names. A name within a longer name counts only if it also
 * stands alone.
 */
function named(text: string, primitives: readonly string[]): string[] {
  return primitives.toSorted((a, b) => b.length - a.length).filter((name) => {
    const found = text.includes(name);
    text = text.replaceAll(name, "");
    return found;
  });
}

/** Returns the ids in a text, such as `[5.3]` and `[F-14]`. */
function ids(text: string): string[] {
  return [...text.matchAll(/\[(\d(?:\.\w+)?|F-\d\d)\]/g)].map((match) => match[1]!);
}

/** Returns the table rows of a page. */
async function rows(page: string): Promise<string[]> {
  return (await Deno.readTextFile(page)).split("\n").filter((line) => line.startsWith("|"));
}

/** Returns the planted bugs with the rule that each names. */
async function planted(): Promise<string[]> {
  const lines: string[] = [];
  for await (const { name } of Deno.readDir(PLANTED)) {
    if (!name.endsWith(".patch")) continue;
    const [first = ""] = (await Deno.readTextFile(`${PLANTED}/${name}`)).split("\n");
    lines.push(`${name} [${first.replace("Rule: ", "")}]`);
  }
  return lines;
}
