/** The names of the tests, which say what they hold. */

import { cases } from "./children/cases.ts";
import { testFiles } from "./suite.ts";

const ROOT = new URL("../", import.meta.url);

/** A test, and where it is. */
export interface Named {
  readonly name: string;
  readonly file: string;
}

/** Those of the suite and of the child processes. The files are loaded, and no test runs. */
export async function tests(): Promise<Named[]> {
  const found = cases.map(({ name }) => ({ name, file: "tools/children/cases.ts" }));
  const host = Deno as { test: unknown };
  const { test } = host;
  let file = "";
  host.test = (name: string) => void found.push({ name, file });
  try {
    for (file of await testFiles("tests")) await import(new URL(file, ROOT).href);
  } finally {
    host.test = test;
  }
  return found;
}

/** The ids in a test's name, or in a text. */
export function ids(name: string): string[] {
  return [...name.matchAll(/\[(\d(?:\.\w+)?|F-\d\d)\]/g)].map((match) => match[1]!);
}
