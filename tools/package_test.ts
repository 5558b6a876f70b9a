/** What is published, and what it may depend on. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { build, stop } from "esbuild";
import { deno, run } from "./run.ts";
import { binary } from "./runtimes.ts";

const PUBLISHED =
  /^(mod\.ts|src\/(core\/[a-z]+\/)?[a-z_]+\.ts|deno\.json|jsr\.json|README\.md|CHANGELOG\.md|LICENSE)$/;
const REQUIRED = ["LICENSE", "README.md", "deno.json", "mod.ts"];
// A base class that `mod.ts` exports; nobody imports it alone.
const NO_ENTRIES = ["sink.ts"];

// Who may use whom, as ARCHITECTURE.md has it.
const FLOORS: Record<string, number> = { shared: 0, batch: 1, flight: 1, work: 2, stage: 3 };
const folderOf = (path: string): string => path.split("/")[2] ?? "";

const ROOT = new URL("../", import.meta.url).href;
const HOSTS =
  /(?<![.\w$])(?:Deno|Bun|process|global)(?:\?\.|\.|\[)|\bnode:|globalThis\.(?:Deno|Bun|process)/;
const REACH = new RegExp(
  [
    /\b(?:eval|Function|import|fetch|require)\(|\b(?:XMLHttpRequest|WebSocket|EventSource)\(/,
    /\bconsole\b|\.prototype(?:\.\w+|\[.+?\])\s*=[^=]|\bsetPrototypeOf\b|__proto__/,
    /\bdefinePropert(?:y|ies)\((?:globalThis|[\w.]+\.prototype)|\bglobalThis(?:\.\w+|\[.+?\])\s*=[^=]/,
  ].map(({ source }) => source).join("|"),
);

const config = await json("deno.json");
const entries: Array<[string, string]> = Object.entries(config.exports);
const sources = ["mod.ts", ...await files("src")];

Deno.test("deno.json and jsr.json are equal where both speak", async () => {
  const jsr = await json("jsr.json");
  for (const key of Object.keys(jsr)) assertEquals(config[key], jsr[key], key);
  for (const key of ["name", "version", "license", "exports", "publish"]) assert(key in jsr, key);
});

Deno.test("every primitive is an entry point, and every entry point a primitive", () => {
  const primitives = sources
    .filter((path) => /^src\/[^/]+\.ts$/.test(path) && !NO_ENTRIES.includes(path.slice(4)))
    .map((path) => [`./${path.slice(4, -3).replaceAll("_", "-")}`, `./${path}`]);
  assertEquals(Object.fromEntries(entries), {
    ".": "./mod.ts",
    ...Object.fromEntries(primitives),
  });
});

for (const [name, path] of entries) {
  Deno.test(`entry point ${name} imports alone in Deno`, async () => {
    const { success, output } = await deno(["run", "--no-config", "--no-lock", "--no-npm", path]);
    assert(success, output);
    assertEquals(output, "");
  });
}

for (const runtime of ["bun", "node24"] as const) {
  Deno.test(`every entry point imports alone in ${runtime}, as it is`, async () => {
    for (const [name, path] of entries) {
      const { success, output } = await run(await binary(runtime), [path]);
      assert(success, `${name}: ${output}`);
      assertEquals(output, "", name);
    }
  });
}

Deno.test("every entry point imports alone in node20, compiled", async () => {
  const outdir = ".build/entries";
  await build({
    entryPoints: entries.map(([, path]) => path),
    outdir,
    outbase: ".",
    bundle: true,
    format: "esm",
    target: "node20",
    logLevel: "silent",
    outExtension: { ".js": ".mjs" },
  });
  await stop();
  for (const [name, path] of entries) {
    const compiled = `${outdir}/${path.slice(2, -3)}.mjs`;
    const { success, output } = await run(await binary("node20"), [compiled]);
    assert(success, `${name}: ${output}`);
    assertEquals(output, "", name);
  }
});

Deno.test("what would be published is on the list", async () => {
  const { success, output } = await deno(["publish", "--dry-run", "--allow-dirty"]);
  assert(success, output);
  const published = [...output.matchAll(/^\s*(file:\S+) \(/gm)]
    .map(([, url]) => url!.slice(ROOT.length));
  assertEquals(published.filter((path) => !PUBLISHED.test(path)), []);
  assertEquals([...sources, ...REQUIRED].filter((path) => !published.includes(path)), []);
});

Deno.test("the library imports nothing outside itself, and all of its files", async () => {
  const imports = await moduleGraph();
  assertEquals([...imports.keys()].sort(), [...sources].sort());
  for (const [path, targets] of imports) {
    const allowed = path.startsWith("src/core/") ? /^src\/core\// : /^src\//;
    for (const target of targets) assertMatch(target, allowed, `${path} imports ${target}`);
  }
});

Deno.test("a folder of the core uses itself and those below it, and no files import each other in a circle", async () => {
  const imports = await moduleGraph();
  for (const [path, targets] of imports) {
    const above = FLOORS[folderOf(path)];
    if (above === undefined) continue;
    for (const target of targets) {
      const below = FLOORS[folderOf(target)]!;
      const holds = folderOf(path) === folderOf(target) || below < above;
      assert(holds, `${path} imports ${target}`);
    }
  }
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    assert(!way.includes(path), `a circle: ${[...way, path].join(" -> ")}`);
    if (done.has(path)) return;
    for (const target of imports.get(path) ?? []) visit(target, [...way, path]);
    done.add(path);
  };
  visit("mod.ts", []);
});

Deno.test("importing reads the base classes of the streams, no other global, and makes nothing", async () => {
  const { outputFiles } = await build({
    entryPoints: ["mod.ts"],
    bundle: true,
    write: false,
    format: "iife",
    treeShaking: false,
    target: "es2022",
    logLevel: "silent",
  });
  await stop();
  const read = new Set<string>();
  const scope = new Proxy({}, {
    has(_, name) {
      read.add(String(name));
      return false;
    },
  });
  // Names are looked up in `scope` first, which has none and hears of all.
  new Function("scope", `with (scope) {${outputFiles[0]!.text}}`)(scope);
  // `Symbol` names a method of `Sink`.
  assertEquals([...read].sort(), ["Symbol", "TransformStream", "WritableStream"]);
});

Deno.test("the library names no runtime", async () => {
  for (const path of sources) {
    const named = code(await Deno.readTextFile(path)).match(HOSTS);
    assertEquals(named?.[0], undefined, path);
  }
});

Deno.test("the library connects to nothing, evaluates nothing and changes nothing of the platform's", async () => {
  for (const path of sources) {
    const found = code(await Deno.readTextFile(path)).match(REACH);
    assertEquals(found?.[0], undefined, path);
  }
});

Deno.test("package.json has no dependencies but those of development", async () => {
  const manifest = await json("package.json");
  assertEquals(manifest["private"], true);
  const kinds = Object.keys(manifest).filter((key) => /dependencies$/i.test(key));
  assertEquals(kinds, ["devDependencies"]);
  const versions: string[] = Object.values(manifest["devDependencies"]);
  for (const version of versions) assertMatch(version, /^\d+\.\d+\.\d+$/);
});

Deno.test("the lock file names no host", async () => {
  assertEquals((await Deno.readTextFile("deno.lock")).match(/\w+:\/\/\S+/g), null);
});

// deno-lint-ignore no-explicit-any
async function json(path: string): Promise<any> {
  return JSON.parse(await Deno.readTextFile(path));
}

async function files(directory: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) paths.push(...await files(path));
    else paths.push(path);
  }
  return paths.sort();
}

/** What each module that `mod.ts` reaches imports, types included. */
async function moduleGraph(): Promise<Map<string, string[]>> {
  const { success, output } = await deno(["info", "--json", "--quiet", "--no-lock", "mod.ts"]);
  assert(success, output);
  const local = (specifier: string) =>
    specifier.startsWith(ROOT) ? specifier.slice(ROOT.length) : specifier;
  const { modules } = JSON.parse(output) as { modules: Module[] };
  return new Map(modules.map(({ specifier, dependencies = [] }) => [
    local(specifier),
    dependencies.map(({ code, type, specifier }) => local((code ?? type)?.specifier ?? specifier)),
  ]));
}

interface Module {
  specifier: string;
  dependencies?: Array<{ specifier: string; code?: Resolved; type?: Resolved }>;
}

interface Resolved {
  specifier?: string;
}

/** Without its comments, which may speak of anything. */
function code(text: string): string {
  return text.replace(/\/\*.*?\*\//gs, "").replace(/(^|\s)\/\/.*$/gm, "");
}
