/** Makes patches anew, when the sources have changed under them. */

import { run } from "../run.ts";
import { bugs, patchOf, read, write } from "./bugs.ts";
import { Copy, DIFF } from "./copy.ts";

/**
 * Where src/ has a change that is neither committed nor staged, it becomes the patch of the bug
 * with that very name, and is taken back. Where it has none, the patches that still apply, but
 * otherwise than they are written, are written as they apply. Returns whether all fit now.
 */
export async function refit(names: readonly string[]): Promise<boolean> {
  const change = await git(...DIFF, "--", "src");
  if (change === "") return await refresh(names);
  const [name] = names;
  if (names.length !== 1) throw new Error("src/ is changed: for which bug? name one");
  await write(await read(name!), change);
  await git("checkout", "--quiet", "--", "src");
  console.log(`${patchOf(name!)} is what was changed in src/, which is as it was before`);
  return true;
}

async function refresh(words: readonly string[]): Promise<boolean> {
  const copy = await Copy.make();
  let fit = true;
  for (const bug of await bugs(words)) {
    try {
      const loose = await copy.plant(bug);
      const diff = await copy.diff();
      if (diff !== bug.diff) {
        await write(bug, diff);
        console.log(
          `${patchOf(bug.name)} is written as it applies ${loose && `with ${loose}`}`.trim(),
        );
      }
    } catch (error) {
      console.log((error as Error).message);
      fit = false;
    }
    await copy.restore();
  }
  return fit;
}

async function git(...args: string[]): Promise<string> {
  const { success, output } = await run("git", args);
  if (!success) throw new Error(output.trim());
  return output;
}
