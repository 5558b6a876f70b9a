/**
 * Tests the npm packages in a user's project: the linters of packages, whether they run, how much
 * the library adds to a bundle, and whether the types work with those of every runtime. The project
 * is `tests/consumer`, whose tools are installed only here.
 */

import { assert, assertEquals } from "@std/assert";
import { MapStream } from "../../mod.ts";
import { buildPackages, builtAt } from "../../tools/npm.ts";
import { packages, shortName } from "../../tools/packages.ts";
import { type Finished, run } from "../../tools/run.ts";
import { binary, runtimes } from "../../tools/runtimes.ts";

const FIXTURES = "tests/consumer";
const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);
const WORLD = `${ROOT}.build/consumer`;
const TOOLS = `${WORLD}/node_modules`;
const QUIET = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];

/** The peers of the packages, in the oldest versions that they accept. */
const PEERS = [
  "@nats-io/jetstream@3.4.0",
  "@nats-io/nats-core@3.4.0",
  "@opentelemetry/api@1.9.1",
];

/** How much larger an import from the root may be than one from the entry point. */
const TOLERANCE = 1.02;

const COMPILERS = { "TypeScript 5.7": "typescript-5.7", "the newest TypeScript": "typescript" };

/** The types that a user gives to the compiler. */
interface Types {
  readonly lib?: readonly string[];
  readonly types?: readonly string[];
  /** Where the compiler looks for `types` first: each version of a package has its own scope. */
  readonly scope?: string;
}

const WORKERS = "@cloudflare/workers-types";

const TYPES: Record<string, Types> = {
  "bun-types": { types: ["bun-types"] },
  "@types/node 22": { types: ["node"], scope: "@types-22" },
  "@types/node 24": { types: ["node"], scope: "@types-24" },
  "@types/node 26": { types: ["node"], scope: "@types-26" },
  [WORKERS]: { types: [WORKERS] },
  // Since TypeScript 6 the first includes the second.
  "the DOM lib": { lib: ["DOM", "DOM.AsyncIterable"] },
};

const config = JSON.parse(await Deno.readTextFile("deno.json"));
const all = await packages();
const [entries = [], ...others] = all.map(({ name, exports }) =>
  Object.keys(exports).map((entry) => name + entry.slice(1))
);

/** A program for each package, and its name in the project. */
const users = all.map((of): [path: string, name: string] =>
  of.folder === "."
    ? [`${FIXTURES}/user.mts`, "user.mts"]
    : [`${of.folder}/tests/user.mts`, `${shortName(of)}.mts`]
);
const names = users.map(([, name]) => name);

/** Programs whose third-party declarations are broken by themselves. */
const LOOSE = ["nats.mts"];

await buildPackages();
await installWorld();
const home = await Deno.makeTempDir({ prefix: "weir-" });
globalThis.addEventListener("unload", () => Deno.removeSync(home, { recursive: true }));
const tarballs = await installPackages();
const sizes = await shake();
const compiled = await compileAll();
const refused = await compileWrong();

for (const [i, of] of all.entries()) {
  Deno.test(`${of.name} on npm has the version of deno.json and jsr.json`, async () => {
    const read = async (path: string) => JSON.parse(await Deno.readTextFile(path)).version;
    assertEquals(await read(`${builtAt(of)}/package.json`), config.version);
    assertEquals(await read("jsr.json"), config.version);
  });

  Deno.test(`npm would publish ${of.name}`, async () => {
    // Forced, because between two releases npm already has the version.
    const args = ["publish", "--dry-run", "--force", "--access", "public"];
    passed(await run("npm", args, { cwd: builtAt(of) }));
  });

  Deno.test(`publint finds no problem in ${of.name}`, async () => {
    passed(await run(`${TOOLS}/.bin/publint`, [tarballs[i]!, "--strict"]));
  });

  Deno.test(`attw finds the types of every entry point of ${of.name}`, async () => {
    const options = ["--profile", "esm-only", "--no-definitely-typed"];
    passed(await run(`${TOOLS}/.bin/attw`, [tarballs[i]!, ...options]));
  });
}

for (const runtime of ["deno", ...runtimes.filter((name) => name !== "workerd")] as const) {
  Deno.test(`${runtime} loads every entry point by import and by require`, async () => {
    const [command, ...args] = runtime === "deno"
      ? [Deno.execPath(), "run", "--quiet"]
      : [await binary(runtime)];
    const loaded = [...entries, ...others.flat()];
    const finished = await run(command!, [...args, "load.cjs", ...loaded], { cwd: home });
    passed(finished);
    assertEquals(finished.output, `${loaded.length} entry points, 6\n`);
  });
}

Deno.test("deno checks a program against their declarations", async () => {
  passed(await run(Deno.execPath(), ["check", "--quiet", ...names], { cwd: home }));
});

for (const [entry, { alone, root }] of sizes) {
  Deno.test(`the exports of ${entry} are no larger when imported from the root`, () => {
    assertEquals(Object.keys(alone), ["esbuild", "rollup", "webpack"]);
    for (const [bundler, bytes] of Object.entries(alone)) {
      const line = `${bundler}: ${root[bundler]} B from the root, ${bytes} B by itself`;
      // For a very small module, 2 % is only a few bytes.
      assert(bytes > 1000 && root[bundler]! <= Math.max(bytes * TOLERANCE, bytes + 64), line);
    }
  });
}

for (const [name, finished] of compiled) {
  Deno.test(name, () => passed(finished));
}

for (const [compiler, output] of refused) {
  Deno.test(`${compiler} points at the wrong option`, async () => {
    const lines = (await Deno.readTextFile(`${FIXTURES}/wrong.txt`)).split("\n");
    const expected = lines.flatMap((line, i) => {
      const [, option] = line.split(" // ");
      return option === undefined ? [] : [[i + 1, option]];
    });
    const found = [...output.matchAll(/wrong\.mts\((\d+),(\d+)\): error/g)];
    const actual = found.map(([, line, column]) => {
      const rest = lines[Number(line) - 1]!.slice(Number(column) - 1);
      return [Number(line), /^\w*/.exec(rest)![0]];
    });
    assertEquals(actual, expected, output);
  });
}

function passed({ success, output }: Finished): void {
  assert(success, output);
}

/** Installs the tools of a user, again if the lock file has changed. */
async function installWorld(): Promise<void> {
  const lock = "package-lock.json";
  const read = (path: string) => Deno.readTextFile(path).catch(() => undefined);
  // npm writes the second file when it is done.
  const fresh = await read(`${WORLD}/${lock}`) === await read(`${FIXTURES}/${lock}`) &&
    await read(`${TOOLS}/.${lock}`) !== undefined;
  await Deno.mkdir(WORLD, { recursive: true });
  for (const name of ["package.json", lock, "shake.cjs"]) {
    await Deno.copyFile(`${FIXTURES}/${name}`, `${WORLD}/${name}`);
  }
  if (!fresh) passed(await run("npm", ["ci", ...QUIET], { cwd: WORLD }));
}

/** Packs into an empty folder outside the project. Returns the paths of the tarballs. */
async function installPackages(): Promise<string[]> {
  const tarballs: string[] = [];
  for (const of of all) {
    const packed = await run("npm", ["pack", "--silent", "--pack-destination", WORLD], {
      cwd: builtAt(of),
    });
    passed(packed);
    tarballs.push(`${WORLD}/${packed.output.trim()}`);
  }
  passed(await run("npm", ["install", ...QUIET, ...tarballs, ...PEERS], { cwd: home }));
  for (const name of ["load.cjs", "types.mts"]) {
    await Deno.copyFile(`${FIXTURES}/${name}`, `${home}/${name}`);
  }
  for (const [path, name] of users) await Deno.copyFile(path, `${home}/${name}`);
  // The file is not a source here, because it does not compile.
  await Deno.copyFile(`${FIXTURES}/wrong.txt`, `${home}/wrong.mts`);
  const link = `${TOOLS}/@weir`;
  await Deno.remove(link).catch(() => {});
  await Deno.symlink(`${home}/node_modules/@weir`, link);
  return tarballs;
}

/** The bundle sizes of an entry point, and of its names from the root, for each bundler. */
async function shake() {
  const texts: string[] = [];
  for (const [i, path] of Object.values<string>(config.exports).entries()) {
    const names = Object.keys(await import(`../../${path}`));
    texts.push(`export { ${names} } from "${entries[i]}"`);
    texts.push(`export { ${names} } from "${config.name}"`);
  }
  const finished = await run(await binary("node24"), ["shake.cjs", JSON.stringify(texts)], {
    cwd: WORLD,
  });
  passed(finished);
  const sizes: Record<string, number>[] = JSON.parse(finished.output);
  return entries.map((entry, i) => {
    return [entry, { alone: sizes[2 * i]!, root: sizes[2 * i + 1]! }] as const;
  });
}

/** Checks the sources and the declarations with each compiler and the types of each host. */
async function compileAll(): Promise<Map<string, Finished>> {
  const cases = Object.entries(COMPILERS).flatMap(([compiler, folder]) =>
    Object.entries(TYPES).flatMap(([host, types]) => {
      const name = `with ${host}, under ${compiler}`;
      return [
        {
          name: `the declarations hold ${name}`,
          folder,
          types,
          files: [...names.filter((file) => !LOOSE.includes(file)), "types.mts"],
        },
        {
          name: `the declarations of ${name} compile with broken ones of others`,
          folder,
          types,
          files: LOOSE,
          skipLibCheck: true,
        },
        // Sources can't name a lib, because JSR refuses that.
        {
          name: `the sources hold ${name}`,
          folder,
          types: { ...types, lib: ["ESNext.Disposable", ...types.lib ?? []] },
          files: [`${ROOT}mod.ts`],
        },
      ];
    })
  );
  for (const [compiler, folder] of Object.entries(COMPILERS)) {
    // Only outside the sources, because they don't know the types of Workers.
    const file = `${WORLD}/workers.mts`;
    await Deno.copyFile(`${FIXTURES}/workers.txt`, file);
    const types = { ...TYPES[WORKERS], lib: ["ESNext.Disposable"] };
    const name = `the examples of Workers hold with ${WORKERS}, under ${compiler}`;
    cases.push({ name, folder, types, files: [file] });
  }
  const outcomes = MapStream.from(
    [...cases.entries()],
    async ([i, { name, folder, ...rest }]) => [name, await compile(i, folder, rest)] as const,
    { concurrency: navigator.hardwareConcurrency },
  );
  return new Map(await Array.fromAsync(outcomes));
}

/** Checks a program with each compiler in which every line is wrong. */
async function compileWrong(): Promise<Map<string, string>> {
  const outputs = new Map<string, string>();
  for (const [compiler, folder] of Object.entries(COMPILERS)) {
    const types = TYPES["the DOM lib"]!;
    const { output } = await compile(folder, folder, { types, files: ["wrong.mts"] });
    outputs.set(compiler, output);
  }
  return outputs;
}

async function compile(
  id: number | string,
  folder: string,
  rest: Project,
): Promise<Finished> {
  const project = `${home}/tsconfig.${id}.json`;
  await Deno.writeTextFile(project, JSON.stringify(tsconfig(rest)));
  return await run(Deno.execPath(), ["run", "-A", `${TOOLS}/${folder}/bin/tsc`, "-p", project]);
}

interface Project {
  readonly types: Types;
  readonly files: readonly string[];
  readonly skipLibCheck?: boolean;
}

function tsconfig({ types, files, skipLibCheck = false }: Project): unknown {
  const { lib = [], types: names = [], scope = "@types" } = types;
  return {
    files,
    compilerOptions: {
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      // Checks our declarations, and those of others if none of them is broken by itself.
      skipLibCheck,
      noEmit: true,
      allowImportingTsExtensions: true,
      target: "ES2022",
      module: "NodeNext",
      lib: ["ES2022", ...lib],
      types: names,
      typeRoots: [`${TOOLS}/${scope}`, TOOLS],
    },
  };
}
