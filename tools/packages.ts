/** The packages of the workspace: the library in the root, and those beside it, which need others. */

/** Where those beside it are. */
const HOME = "packages";

/** A package that is published. */
export interface Package {
  /** Seen from the root, which is ".". */
  readonly folder: string;
  /** What its `deno.json` says. */
  readonly name: string;
  readonly version: string;
  readonly license: string;
  /** The sources of the entry points, as seen from its folder. */
  readonly exports: Readonly<Record<string, string>>;
  /** What JSR gets. */
  readonly include: readonly string[];
}

/** All of them, the library first. */
export async function packages(): Promise<Package[]> {
  const folders: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(HOME)) {
    if (isDirectory) folders.push(`${HOME}/${name}`);
  }
  return await Promise.all([".", ...folders.sort()].map(read));
}

/** Its name without the scope. */
export function shortName({ name }: Package): string {
  return name.replace(/^@\w+\//, "");
}

/** The sources of its entry points, as seen from the root. */
export function entriesOf({ folder, exports }: Package): string[] {
  return Object.values(exports).map((path) => `${folder}/${path.slice("./".length)}`);
}

async function read(folder: string): Promise<Package> {
  const config = JSON.parse(await Deno.readTextFile(`${folder}/deno.json`));
  const { name, version, license, exports, publish: { include } } = config;
  const entries = typeof exports === "string" ? { ".": exports } : exports;
  return { folder, name, version, license, exports: entries, include };
}
