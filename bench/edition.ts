/** The library and its benchmarks as they are at a revision. */

import { deno, run } from "../tools/run.ts";

const ROOT = decodeURIComponent(new URL("../", import.meta.url).pathname);
const HOME = `${ROOT}.build/against`;

/** One state of the repository. */
export interface Edition {
  /** Where its tree is. */
  readonly root: string;
  /** The names of its groups. */
  readonly groups: readonly string[];
}

/** Unpacks a revision, with the packages that are installed here; nothing where there is none. */
export async function edition(revision: string): Promise<Edition | undefined> {
  const sha = await commit(revision);
  if (sha === undefined) return;
  const root = `${HOME}/${sha}/`;
  if (!await Deno.stat(root).catch(() => undefined)) await unpack(sha, root);
  return { root, groups: await groups(root) };
}

async function commit(revision: string): Promise<string | undefined> {
  const name = `${revision}^{commit}`;
  const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", name];
  const { success, output } = await run("git", args);
  return success ? output.trim().split("\n").at(-1) : undefined;
}

/** The tree has its place only when it is complete. */
async function unpack(sha: string, root: string): Promise<void> {
  await Deno.mkdir(HOME, { recursive: true });
  const half = await Deno.makeTempDir({ dir: HOME, prefix: "half-" });
  const archive = `${half}.tar`;
  await must("git", ["archive", "--format=tar", `--output=${archive}`, sha]);
  await must("tar", ["-xf", archive, "-C", half]);
  await Deno.remove(archive);
  await Deno.symlink(`${ROOT}node_modules`, `${half}/node_modules`, { type: "dir" });
  await Deno.rename(half, root);
}

async function must(command: string, args: readonly string[]): Promise<void> {
  const { success, output } = await run(command, args);
  if (!success) throw new Error(`${command} ${args[0]}: ${output.trim()}`);
}

/** Asks the tree itself: its groups may have other names than those of today. */
async function groups(root: string): Promise<string[]> {
  const code = `import { groups } from "./bench/groups.ts";
    console.log(JSON.stringify(groups.map(({ name }) => name)));`;
  const args = ["eval", "--no-check", "--node-modules-dir=manual", code];
  const { success, output } = await deno(args, { cwd: root });
  if (!success) throw new Error(`its benchmarks do not load: ${output.trim()}`);
  return JSON.parse(output.trim().split("\n").at(-1)!);
}
