/**
 * A copy of the tree, into which bugs are put.
 *
 * It is a git repository of its own: in a folder of ours, `git apply` would skip a patch of src/, and
 * succeed.
 */

import { run } from "../run.ts";
import { patchOf, type Planted } from "./bugs.ts";

/** Where it is. */
export const COPY = ".build/planted";

// As seen from the copy. It lies beside it, so that `git clean` does not spare the copy.
const REPOSITORY = "../planted.git";
const COPIED = ["mod.ts", "deno.json", "deno.lock", "package.json", "src", "tests", "examples"];

/** How a bug is looked at: always alike, whatever somebody has set for their own diffs. */
export const DIFF: readonly string[] = [
  ...["diff", "-U2", "--abbrev=10", "--no-renames", "--no-color", "--no-ext-diff"],
  ...["--src-prefix=a/", "--dst-prefix=b/"],
];

// A patch outlives changes nearby: it is tried with all that is around it, with less, with nothing.
// A merge would not help: it takes changes of adjacent lines for a conflict.
const EXACT: readonly string[] = [];
const LESS = ["-C1", "--ignore-whitespace"];
const NOTHING = ["-C0", "--ignore-whitespace"];

/** A copy without a bug. */
export class Copy {
  /** The tree of the right sources. */
  #right = "";

  private constructor() {}

  /** Copy what is there now. */
  static async make(): Promise<Copy> {
    for (const old of [COPY, `${COPY}.git`]) {
      await Deno.remove(old, { recursive: true }).catch(() => {});
    }
    await Deno.mkdir(COPY, { recursive: true });
    for (const name of COPIED) await copy(name, `${COPY}/${name}`);
    await Deno.symlink("../../node_modules", `${COPY}/node_modules`, { type: "dir" });
    const made = new Copy();
    await made.#git("init", "--quiet", "--template=");
    await made.#git("add", "--force", "src");
    made.#right = (await made.#git("write-tree")).trim();
    return made;
  }

  /** Put a bug into it. Returns with which options of `git apply` that worked. */
  async plant({ name, diff }: Planted): Promise<string> {
    let complaint: unknown;
    for (const way of removes(diff) ? [EXACT, LESS, NOTHING] : [EXACT, LESS]) {
      try {
        await this.#git("apply", "--verbose", "--whitespace=nowarn", ...way, patchOf(name));
      } catch (error) {
        complaint ??= error;
        continue;
      }
      if (await this.diff() === "") throw new Error(`${patchOf(name)} changes nothing`);
      return way.join(" ");
    }
    throw new Error(`${patchOf(name)} does not apply; refit it\n${(complaint as Error).message}`);
  }

  /** What is wrong with the sources now. */
  async diff(): Promise<string> {
    return await this.#git(...DIFF, this.#right, "--", "src");
  }

  /** Take the bug out. */
  async restore(): Promise<void> {
    await this.#git("read-tree", "--reset", "-u", this.#right);
  }

  async #git(...args: string[]): Promise<string> {
    const { success, output } = await run("git", args, {
      cwd: COPY,
      env: {
        GIT_DIR: REPOSITORY,
        GIT_WORK_TREE: ".",
        GIT_INDEX_FILE: `${REPOSITORY}/index`,
        GIT_CONFIG_GLOBAL: "/dev/null",
        GIT_CONFIG_NOSYSTEM: "1",
      },
    });
    if (!success) throw new Error(output.trim());
    return output;
  }
}

/** Whether each hunk takes lines away: where one only adds, nothing but its context says where. */
function removes(diff: string): boolean {
  return diff.split(/^@@ .*/m).slice(1).every((hunk) => /^-(?!-- )/m.test(hunk));
}

async function copy(from: string, to: string): Promise<void> {
  if ((await Deno.stat(from)).isFile) return await Deno.copyFile(from, to);
  await Deno.mkdir(to);
  for await (const { name } of Deno.readDir(from)) await copy(`${from}/${name}`, `${to}/${name}`);
}
