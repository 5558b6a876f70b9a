/** The planted bugs: each is a patch of the sources, under a header that says what it is about. */

const HOME = "tests/planted";

/** A deliberate bug, the shape of a real one, that the suite has to catch. */
export interface Planted {
  /** What its file is called. */
  readonly name: string;
  /** The rule or fault of docs/contract.md that a failing test has to name. */
  readonly rule: string;
  /** What the names of the test files begin with. */
  readonly tests: readonly string[];
  /** Where somebody was bitten. */
  readonly shape: string;
  /** What goes wrong. */
  readonly wrong: string;
  /** Those four, as the file has them. */
  readonly header: string;
  /** What `git diff` says when the bug is in the sources. */
  readonly diff: string;
}

/** Where the patch of a bug is. */
export function patchOf(name: string): string {
  return `${HOME}/${name}.patch`;
}

/** All planted bugs, or those whose names contain one of `words`. */
export async function bugs(words: readonly string[] = []): Promise<Planted[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(HOME)) {
    if (name.endsWith(".patch")) names.push(name.slice(0, -".patch".length));
  }
  const chosen = names.filter((name) =>
    words.length === 0 || words.some((word) => name.includes(word))
  );
  return await Promise.all(chosen.sort().map(read));
}

/** The bug of that very name. */
export async function read(name: string): Promise<Planted> {
  const text = await Deno.readTextFile(patchOf(name));
  const end = text.search(/^diff --git /m);
  const header = end < 0 ? text : text.slice(0, end);
  const value = (key: string) => {
    const found = new RegExp(`^${key}: (.+)$`, "m").exec(header)?.[1];
    if (found === undefined) throw new Error(`${patchOf(name)}: its header has no "${key}: ..."`);
    return found;
  };
  return {
    name,
    rule: value("Rule"),
    tests: value("Tests").split(/, */),
    shape: value("Shape"),
    wrong: value("Wrong"),
    header: header.trimEnd(),
    diff: end < 0 ? "" : text.slice(end),
  };
}

/** Give a bug another diff, under the same header. */
export async function write({ name, header }: Planted, diff: string): Promise<void> {
  await Deno.writeTextFile(patchOf(name), `${header}\n\n${diff}`);
}
