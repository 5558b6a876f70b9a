/** The patches of tests/planted. Each has a bug of `src/`, under a header that describes it. */

import { run } from "./run.ts";

const HOME = "tests/planted";
const COPIED = [
  ...["mod.ts", "deno.json", "deno.lock", "package.json"],
  ...["src", "tests", "examples", "packages"],
];

/** A deliberate bug with the shape of a real one, which the suite must catch. */
export interface Planted {
  /** The name of its file. */
  readonly name: string;
  /** The rule or fault of docs/contract.md that a failing test must name. */
  readonly rule: string;
  /** The start of the test files' names. */
  readonly tests: readonly string[];
  /** Where the bug happened in the field. */
  readonly shape: string;
  /** The text of the file. */
  readonly header: string;
  /** The `git diff` that puts the bug into the sources. */
  readonly diff: string;
}

/** Returns all planted bugs, or those whose names contain one of `words`. */
export async function bugs(words: readonly string[] = []): Promise<Planted[]> {
  const names = (await Array.fromAsync(Deno.readDir(HOME)))
    .filter(({ name }) => name.endsWith(".patch"))
    .map(({ name }) => name.slice(0, -".patch".length))
    .filter((name) => words.length === 0 || words.some((word) => name.includes(word)));
  return await Promise.all(names.sort().map(read));
}

async function read(name: string): Promise<Planted> {
  const text = await Deno.readTextFile(patchOf(name));
  const [header = "", ...diff] = text.split(/^(?=diff --git )/m);
  const value = (key: string) => {
    const line = header.split("\n").find((line) => line.startsWith(`${key}: `));
    if (line === undefined) throw new Error(`${patchOf(name)}: its header has no "${key}: ..."`);
    return line.slice(key.length + 2);
  };
  // Only for readers.
  value("Wrong");
  return {
    name,
    rule: value("Rule"),
    tests: value("Tests").split(", "),
    shape: value("Shape"),
    header: header.trimEnd(),
    diff: diff.join(""),
  };
}

function patchOf(name: string): string {
  return `${HOME}/${name}.patch`;
}

// The diff of a bug always looks the same, independent of the user's git settings.
const DIFF = [
  ...["diff", "-U2", "--abbrev=10", "--no-renames", "--no-color", "--no-ext-diff"],
  ...["--src-prefix=a/", "--dst-prefix=b/"],
];

// A patch should survive changes nearby: `git apply` tries it with all context lines, with fewer,
// and with none. A merge would not help, because it treats changes of adjacent lines as a conflict.
const EXACT: readonly string[] = [];
const LESS = ["-C1", "--ignore-whitespace"];
const NOTHING = ["-C0", "--ignore-whitespace"];

/**
 * A copy of the tree for the bugs.
 *
 * It is a separate git repository: in a folder of ours, `git apply` would skip a patch of src/ and
 * still succeed.
 */
export class Copy {
  /** Its path. */
  readonly path: string;
  /** A path beside it, relative to it. */
  readonly #repository: string;
  /** The tree of the correct sources. */
  #right = "";

  private constructor(name: string) {
    this.path = `.build/${name}`;
    this.#repository = `../${name}.git`;
  }

  /** Copies the current tree. */
  static async make(name: string): Promise<Copy> {
    const made = new Copy(name);
    for (const old of [made.path, `${made.path}.git`]) {
      await Deno.remove(old, { recursive: true }).catch(() => {});
    }
    await Deno.mkdir(made.path, { recursive: true });
    for (const name of COPIED) await copy(name, `${made.path}/${name}`);
    await Deno.symlink("../../node_modules", `${made.path}/node_modules`, { type: "dir" });
    await made.#git("init", "--quiet", "--template=");
    await made.#git("add", "--force", "src");
    made.#right = (await made.#git("write-tree")).trim();
    return made;
  }

  /** Puts a bug into it. Returns the options of `git apply` that worked. */
  async plant({ name, diff }: Planted): Promise<string> {
    const path = patchOf(name);
    const files = diff.split("\n").filter((line) => line.startsWith("+++ "));
    if (!files.every((line) => line.startsWith("+++ b/src/"))) {
      throw new Error(`${path} changes more than src/`);
    }
    let complaint: unknown;
    for (const way of removes(diff) ? [EXACT, LESS, NOTHING] : [EXACT, LESS]) {
      try {
        await this.#git("apply", "--verbose", "--whitespace=nowarn", ...way, path);
      } catch (error) {
        complaint ??= error;
        continue;
      }
      if (await this.#diff() === "") throw new Error(`${path} changes nothing`);
      return way.join(" ");
    }
    throw new Error(`${path} does not apply; refit it\n${(complaint as Error).message}`);
  }

  /** Writes the patch of a bug as it applies now. Returns the change, if there was one. */
  async refit(bug: Planted): Promise<string | undefined> {
    const way = await this.plant(bug);
    const diff = await this.#diff();
    if (diff === bug.diff) return;
    await write(bug, diff);
    return `${patchOf(bug.name)} is written as it applies ${way && `with ${way}`}`.trim();
  }

  /** Takes the bug out. */
  async restore(): Promise<void> {
    await this.#git("read-tree", "--reset", "-u", this.#right);
  }

  async #diff(): Promise<string> {
    return await this.#git(...DIFF, this.#right, "--", "src");
  }

  async #git(...args: string[]): Promise<string> {
    return await git(args, this.path, {
      GIT_DIR: this.#repository,
      GIT_WORK_TREE: ".",
      GIT_INDEX_FILE: `${this.#repository}/index`,
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CONFIG_NOSYSTEM: "1",
    });
  }
}

/**
 * If src/ has a change that is neither committed nor staged, that change becomes the patch of the
 * named bug, and is reverted. Otherwise, patches that still apply, but not exactly, are written
 * again as they apply. Returns whether all patches fit now.
 */
export async function refit(words: readonly string[]): Promise<boolean> {
  const change = await git([...DIFF, "--", "src"]);
  if (change !== "") {
    const [name] = words;
    if (words.length !== 1) throw new Error("src/ is changed: for which bug? name one");
    await write(await read(name!), change);
    await git(["checkout", "--quiet", "--", "src"]);
    console.log(`${patchOf(name!)} now has the change of src/, and src/ is reverted`);
    return true;
  }
  const copy = await Copy.make("refit");
  let fit = true;
  for (const bug of await bugs(words)) {
    try {
      const done = await copy.refit(bug);
      if (done !== undefined) console.log(done);
    } catch (error) {
      console.log((error as Error).message);
      fit = false;
    }
    await copy.restore();
  }
  return fit;
}

async function write({ name, header }: Planted, diff: string): Promise<void> {
  await Deno.writeTextFile(patchOf(name), `${header}\n\n${diff}`);
}

/**
 * Whether each hunk removes lines. A hunk that only adds lines needs its context to find its place.
 */
function removes(diff: string): boolean {
  return diff.split(/^@@ .*/m).slice(1).every((hunk) => /^-(?!-- )/m.test(hunk));
}

async function git(
  args: readonly string[],
  cwd?: string,
  env: Record<string, string> = {},
): Promise<string> {
  const { success, output } = await run("git", args, { env, ...(cwd !== undefined && { cwd }) });
  if (!success) throw new Error(output.trim());
  return output;
}

async function copy(from: string, to: string): Promise<void> {
  if ((await Deno.stat(from)).isFile) return await Deno.copyFile(from, to);
  await Deno.mkdir(to);
  for await (const { name } of Deno.readDir(from)) {
    if (name !== "node_modules") await copy(`${from}/${name}`, `${to}/${name}`);
  }
}
