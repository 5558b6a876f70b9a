/** The patches of tests/planted: each has a bug of `src/`, under a header that says what it is about. */

import { run } from "./run.ts";

const HOME = "tests/planted";
const COPIED = [
  ...["mod.ts", "deno.json", "deno.lock", "package.json"],
  ...["src", "tests", "examples", "packages"],
];

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
  /** As the file has it. */
  readonly header: string;
  /** What `git diff` says when the bug is in the sources. */
  readonly diff: string;
}

/** All planted bugs, or those whose names contain one of `words`. */
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
  // For readers only.
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

// A bug is looked at always alike, whatever somebody has set for their own diffs.
const DIFF = [
  ...["diff", "-U2", "--abbrev=10", "--no-renames", "--no-color", "--no-ext-diff"],
  ...["--src-prefix=a/", "--dst-prefix=b/"],
];

// A patch outlives changes nearby: it is tried with all that is around it, with less, with nothing.
// A merge would not help: it takes changes of adjacent lines for a conflict.
const EXACT: readonly string[] = [];
const LESS = ["-C1", "--ignore-whitespace"];
const NOTHING = ["-C0", "--ignore-whitespace"];

/**
 * A copy of the tree, into which bugs are put.
 *
 * It is a git repository of its own: in a folder of ours, `git apply` would skip a patch of src/, and
 * succeed.
 */
export class Copy {
  /** Where it is. */
  readonly path: string;
  /** Beside it, as seen from it. */
  readonly #repository: string;
  /** The tree of the right sources. */
  #right = "";

  private constructor(name: string) {
    this.path = `.build/${name}`;
    this.#repository = `../${name}.git`;
  }

  /** Copy what is there now. */
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

  /** Put a bug into it. Returns with which options of `git apply` that worked. */
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

  /** Write the patch of a bug as it applies. Returns what was done, if anything had to be. */
  async refit(bug: Planted): Promise<string | undefined> {
    const way = await this.plant(bug);
    const diff = await this.#diff();
    if (diff === bug.diff) return;
    await write(bug, diff);
    return `${patchOf(bug.name)} is written as it applies ${way && `with ${way}`}`.trim();
  }

  /** Take the bug out. */
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
 * Where src/ has a change that is neither committed nor staged, it becomes the patch of the bug
 * with that very name, and is taken back. Where it has none, the patches that still apply, but
 * otherwise than they are written, are written as they apply. Returns whether all fit now.
 */
export async function refit(words: readonly string[]): Promise<boolean> {
  const change = await git([...DIFF, "--", "src"]);
  if (change !== "") {
    const [name] = words;
    if (words.length !== 1) throw new Error("src/ is changed: for which bug? name one");
    await write(await read(name!), change);
    await git(["checkout", "--quiet", "--", "src"]);
    console.log(`${patchOf(name!)} is what was changed in src/, which is as it was before`);
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

/** Whether each hunk takes lines away: where one only adds, nothing but its context says where. */
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
