/**
 * The npm packages in a user's world: what linters of packages say of them, whether they run, what the
 * library adds to a bundle, and whether their types hold beside those of every runtime. The world is
 * `tests/consumer`, whose tools are installed only here.
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

/** What the packages want beside them, in the oldest versions that they take. */
const PEERS = [
  "@nats-io/jetstream@3.4.0",
  "@nats-io/nats-core@3.4.0",
  "@opentelemetry/api@1.9.1",
];

/** How far an import from the root may be above the entry point. */
const TOLERANCE = 1.02;

const COMPILERS = { "TypeScript 5.7": "typescript-5.7", "the newest TypeScript": "typescript" };

/** What a user gives to the compiler beside the language. */
interface Types {
  readonly lib?: readonly string[];
  readonly types?: readonly string[];
  /** Where `types` are looked for first: the versions of one package are in scopes of their own. */
  readonly scope?: string;
}

const WORKERS = "@cloudflare/workers-types";

const TYPES: Record<string, Types> = {
  "bun-types": { types: ["bun-types"] },
  "@types/node 22": { types: ["node"], scope: "@types-22" },
  "@types/node 24": { types: ["node"], scope: "@types-24" },
  "@types/node 26": { types: ["node"], scope: "@types-26" },
  [WORKERS]: { types: [WORKERS] },
  // Since TypeScript 6 the first has the second.
  "the DOM lib": { lib: ["DOM", "DOM.AsyncIterable"] },
};

const config = JSON.parse(await Deno.readTextFile("deno.json"));
const all = await packages();
const [entries = [], ...others] = all.map(({ name, exports }) =>
  Object.keys(exports).map((entry) => name + entry.slice(1))
);

/** A program for each package, and what it is called in the world. */
const users = all.map((of): [path: string, name: string] =>
  of.folder === "."
    ? [`${FIXTURES}/user.mts`, "user.mts"]
    : [`${of.folder}/tests/user.mts`, `${shortName(of)}.mts`]
);
const names = users.map(([, name]) => name);

/** Programs beside declarations of others that are broken by themselves. */
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
    // Forced, since between two releases the version is one that npm has.
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
      // Of something very small 2 % is a few bytes.
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

/** The tools of a user, installed anew where the lock file has changed. */
async function installWorld(): Promise<void> {
  const lock = "package-lock.json";
  const read = (path: string) => Deno.readTextFile(path).catch(() => undefined);
  // npm writes the second when it is through.
  const fresh = await read(`${WORLD}/${lock}`) === await read(`${FIXTURES}/${lock}`) &&
    await read(`${TOOLS}/.${lock}`) !== undefined;
  await Deno.mkdir(WORLD, { recursive: true });
  for (const name of ["package.json", lock, "shake.cjs"]) {
    await Deno.copyFile(`${FIXTURES}/${name}`, `${WORLD}/${name}`);
  }
  if (!fresh) passed(await run("npm", ["ci", ...QUIET], { cwd: WORLD }));
}

/** Into an empty folder, where no folder above has anything. Returns the paths of the tarballs. */
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
  // No source here: it does not compile.
  await Deno.copyFile(`${FIXTURES}/wrong.txt`, `${home}/wrong.mts`);
  const link = `${TOOLS}/@weir`;
  await Deno.remove(link).catch(() => {});
  await Deno.symlink(`${home}/node_modules/@weir`, link);
  return tarballs;
}

/** The sizes that each bundler makes of an entry point, and of its names from the root. */
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

/** What each compiler says of the sources and of the declarations, beside the types of each host. */
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
          name: `the declarations beside broken ones hold ${name}`,
          folder,
          types,
          files: LOOSE,
          skipLibCheck: true,
        },
        // Sources have no place to name a lib: JSR takes none.
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
    // Not among the sources: only there are the types of Workers known.
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

/** What each compiler says of a program in which every line is wrong. */
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
      // Declarations are checked, and so are those of others where none is broken by itself.
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
