/**
 * The npm package, made from the sources and from `deno.json`: compiled modules, their declarations,
 * and a manifest.
 *
 * As a program: `deno task npm`.
 */

import { deno } from "./run.ts";

/** Where it is left. */
export const PACKAGE = ".build/npm";

const DESCRIPTION =
  "Batching, bounded concurrent fan-out, chunking by size and single-flight, as web streams";
const KEYWORDS = ["web-streams", "batch", "chunk", "concurrency", "queue", "backpressure"];
const NODE = ">=22";

const TSC = ["run", "-A", "node_modules/typescript/bin/tsc", "-p", "tsconfig.json"];
const EMIT = [
  ...["--noEmit", "false", "--allowImportingTsExtensions", "false"],
  ...["--rewriteRelativeImportExtensions", "--declaration"],
  ...["--module", "NodeNext", "--moduleResolution", "NodeNext"],
];

// JSR takes no such line in a source, and TypeScript writes none by itself. Without it the types of a
// browser, and those of Workers, lack what `using` needs.
const DISPOSABLE = '/// <reference lib="esnext.disposable" />\n';

/** Makes the package anew. Who runs beside others takes a directory of its own. */
export async function buildPackage(directory: string = PACKAGE): Promise<void> {
  await Deno.remove(directory, { recursive: true }).catch(() => {});
  const { success, output } = await deno([...TSC, ...EMIT, "--outDir", directory]);
  if (!success) throw new Error(output);

  const config = JSON.parse(await Deno.readTextFile("deno.json"));
  const entries = Object.entries<string>(config.exports).map(([name, source]) => {
    const module = source.slice(0, -".ts".length);
    return [name, { types: `${module}.d.ts`, default: `${module}.js` }] as const;
  });
  for (const [, { types }] of entries) {
    const path = `${directory}/${types}`;
    await Deno.writeTextFile(path, DISPOSABLE + await Deno.readTextFile(path));
  }

  const compiled: string[] = [];
  for await (const { name } of Deno.readDir(directory)) compiled.push(name);
  const papers = config.publish.include.filter((path: string) => !/\.(ts|json)$/.test(path));
  for (const path of papers) await Deno.copyFile(path, `${directory}/${path}`);

  const manifest = {
    name: config.name,
    version: config.version,
    description: DESCRIPTION,
    keywords: KEYWORDS,
    license: config.license,
    ...repository(),
    type: "module",
    sideEffects: false,
    engines: { node: NODE },
    exports: Object.fromEntries(entries),
    files: [...compiled, ...papers].sort(),
  };
  await Deno.writeTextFile(`${directory}/package.json`, `${JSON.stringify(manifest, null, 2)}\n`);
}

/** npm believes in the provenance of a package that names the repository which builds it. */
function repository(): { repository?: { type: "git"; url: string } } {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY } = Deno.env.toObject();
  if (!GITHUB_REPOSITORY) return {};
  return { repository: { type: "git", url: `git+${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}.git` } };
}

if (import.meta.main) {
  await buildPackage();
  console.log(PACKAGE);
}
