/**
 * The packages of the workspace: the library in the root, and others that depend on more packages.
 */

/** The folder of the other packages. */
const HOME = "packages";

/** A published package. */
export interface Package {
  /** Its path from the root; the library's is ".". */
  readonly folder: string;
  /** The content of its `deno.json`. */
  readonly name: string;
  readonly version: string;
  readonly license: string;
  /** The sources of the entry points, relative to its folder. */
  readonly exports: Readonly<Record<string, string>>;
  /** The files that JSR gets. */
  readonly include: readonly string[];
}

/** All packages, the library first. */
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

/** The sources of its entry points, relative to the root. */
export function entriesOf({ folder, exports }: Package): string[] {
  return Object.values(exports).map((path) => `${folder}/${path.slice("./".length)}`);
}

async function read(folder: string): Promise<Package> {
  const config = JSON.parse(await Deno.readTextFile(`${folder}/deno.json`));
  const { name, version, license, exports, publish: { include } } = config;
  const entries = typeof exports === "string" ? { ".": exports } : exports;
  return { folder, name, version, license, exports: entries, include };
}
