/** Puts every mutant of `src` into one build, in which a global says which of them is active. */

import { Instrumenter } from "@stryker-mutator/instrumenter";
import { build, stop } from "esbuild";
import { testFiles } from "../suite.ts";

const HOME = ".build/mutation";
/** The build: all tests over the instrumented sources. */
export const BUNDLE: string = `${HOME}/suite.mjs`;

/** A change of the source. */
export interface Mutant {
  readonly id: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly kind: string;
  readonly before: string;
  readonly after: string;
}

/** Instruments all of `src`, bundles the suite over it, and returns the mutants. */
export async function instrument(): Promise<Mutant[]> {
  await Deno.remove(HOME, { recursive: true }).catch(() => {});
  await Deno.mkdir(HOME, { recursive: true });
  const sources = new Map<string, string>();
  for (const name of await filesOf("src")) sources.set(name, await Deno.readTextFile(name));
  const files = [...sources].map(([name, content]) => ({ name, content, mutate: true }));
  const options = { plugins: null, excludedMutations: [], ignorers: [] };
  const { files: changed, mutants } = await new Instrumenter(logger).instrument(files, options);
  await copy("mod.ts");
  await copy("tests");
  await copy("examples");
  for (const { name, content } of changed) await write(name, content);
  await shorten("tests/races/race.ts", "SCHEDULES = 100", "SCHEDULES = 40");
  await bundle();
  return mutants.map(({ id, fileName, location: { start, end }, mutatorName, replacement }) => ({
    id,
    file: fileName,
    line: start.line + 1,
    kind: mutatorName,
    before: cut(sources.get(fileName)!, start, end),
    after: replacement,
  }));
}

/** A mutant that a race notices is noticed within a few schedules; one that survives has to see all. */
async function shorten(name: string, find: string, replace: string): Promise<void> {
  const source = await Deno.readTextFile(name);
  if (!source.includes(find)) throw new Error(`${JSON.stringify(find)} is not in ${name} any more`);
  await write(name, source.replace(find, replace));
}

async function bundle(): Promise<void> {
  const tests = (await testFiles("tests")).map((name) => `import "./${name}";`);
  await write("suite.ts", ['import "./tests/planted/preload.ts";', ...tests].join("\n"));
  await build({
    entryPoints: [`${HOME}/suite.ts`],
    outfile: BUNDLE,
    bundle: true,
    define: { "import.meta.main": "false" },
    tsconfig: "tsconfig.json",
    platform: "node",
    target: "node24",
    format: "esm",
    sourcemap: "inline",
    logLevel: "silent",
  });
  await stop();
}

interface Place {
  readonly line: number;
  readonly column: number;
}

function cut(source: string, start: Place, end: Place): string {
  const lines = source.split("\n").slice(start.line, end.line + 1);
  lines[lines.length - 1] = lines.at(-1)!.slice(0, end.column);
  lines[0] = lines[0]!.slice(start.column);
  return lines.map((line) => line.trim()).join(" ");
}

async function filesOf(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) names.push(...await filesOf(path));
    else names.push(path);
  }
  return names.sort();
}

async function copy(path: string): Promise<void> {
  const files = (await Deno.stat(path)).isFile ? [path] : await filesOf(path);
  for (const name of files) await write(name, await Deno.readTextFile(name));
}

async function write(name: string, content: string): Promise<void> {
  const path = `${HOME}/${name}`;
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(path, content);
}

const silent = (): void => {};
const logger = {
  isTraceEnabled: () => false,
  isDebugEnabled: () => false,
  isInfoEnabled: () => false,
  isWarnEnabled: () => false,
  isErrorEnabled: () => false,
  isFatalEnabled: () => false,
  trace: silent,
  debug: silent,
  info: silent,
  warn: silent,
  error: silent,
  fatal: silent,
};
