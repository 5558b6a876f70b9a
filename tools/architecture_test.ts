/**
 * Checks ARCHITECTURE.md: the imports, the effects of importing, the globals, and the number of
 * files on the way of an item to user code.
 */

import { assert, assertEquals } from "@std/assert";
import { parse } from "acorn";
import { buildSync } from "esbuild";
import { analyze } from "eslint-scope";
import { glob } from "node:fs/promises";
import { Session } from "node:inspector/promises";
import { Aggregator, BatchStream, Fanout, MapStream, Singleflight } from "../mod.ts";
import { deno } from "./run.ts";

const ROOT = new URL("../", import.meta.url).href;

// The layers of `src/core`: a folder may use itself and the folders above it in this list.
const FLOORS: Record<string, number> = { shared: 0, batch: 1, flight: 1, work: 2, stage: 3 };

/** All platform globals that the library uses. It never connects or evaluates code. */
const GLOBALS = [
  ...[
    "Array",
    "ArrayBuffer",
    "DataView",
    "Error",
    "Infinity",
    "JSON",
    "Map",
    "Math",
    "Number",
    "Object",
  ],
  ...["Promise", "RangeError", "Reflect", "Set", "String", "Symbol", "TypeError", "Uint8Array"],
  ...[
    "WeakMap",
    "AbortController",
    "AbortSignal",
    "DOMException",
    "ReadableStream",
    "TransformStream",
    "WritableStream",
  ],
  ...["clearTimeout", "performance", "queueMicrotask", "setTimeout"],
];

const graph = await moduleGraph();
const bundle = bundleAll();

Deno.test("mod.ts imports each file of src, and nothing else", async () => {
  const sources = await Array.fromAsync(glob("src/**/*.ts"));
  assertEquals([...graph.keys()].sort(), ["mod.ts", ...sources].sort());
});

Deno.test("the core imports nothing from outside, and each of its folders only those below", () => {
  for (const [path, targets] of graph) {
    const folder = folderOf(path);
    for (const target of folder === undefined ? [] : targets) {
      const below = folderOf(target);
      const line = `${path} imports ${target}`;
      assert(below !== undefined, line);
      assert(below === folder || FLOORS[below]! < FLOORS[folder!]!, line);
    }
  }
});

Deno.test("no imports form a circle", () => {
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    assert(!way.includes(path), `a circle: ${[...way, path].join(" -> ")}`);
    if (done.has(path)) return;
    for (const target of graph.get(path)!) visit(target, [...way, path]);
    done.add(path);
  };
  visit("mod.ts", []);
});

Deno.test("importing the library reads no global except the base classes of the streams, and makes nothing", () => {
  const read = new Set<string>();
  const scope = new Proxy({}, {
    has(_, name) {
      read.add(String(name));
      return false;
    },
  });
  // Name look-ups reach `scope` first, which has no names and records all look-ups.
  new Function("scope", `with (scope) {${bundle}}`)(scope);
  // `Symbol` names a method of `Sink`.
  assertEquals([...read].sort(), ["Symbol", "TransformStream", "WritableStream"]);
});

Deno.test("the library uses only the globals of the list, and writes to none", () => {
  const tree = parse(bundle, { ecmaVersion: 2022, ranges: true });
  // The two packages have separate types for one standard.
  const scopes = analyze(tree as Parameters<typeof analyze>[0], { ecmaVersion: 2022 });
  const free = scopes.globalScope!.through;
  assertEquals([...new Set(free.map(({ identifier }) => identifier.name))].sort(), GLOBALS.sort());
  assertEquals(free.filter((reference) => reference.isWrite()), []);

  const kinds = new Set<unknown>();
  JSON.stringify(tree, (key, value) => {
    if (key === "type") kinds.add(value);
    return value;
  });
  assert(kinds.has("CallExpression"));
  assert(!kinds.has("ImportExpression"), "import() would load modules that the list doesn't have");
});

Deno.test("the library does not change the platform: it works when all globals that it uses are frozen", async () => {
  const freeze = `for (const name of ${JSON.stringify(GLOBALS)}) {
    const { [name]: value } = globalThis;
    for (const it of [value, value.prototype]) if (it instanceof Object) Object.freeze(it);
  }`;
  const use = `await import("./tests/consumer/user.mts")`;
  const { success, output } = await deno(["eval", `${freeze} ${use}`]);
  assert(success, output);
});

const SOURCES = new URL("../src/", import.meta.url).href;
/** All files use the first; the second gets the number of items, but not the items. */
const ASIDE = /^core\/(shared\/|work\/counts\.ts)/;

const done = Promise.resolve();

/** The way of an item: how it comes in, and the number of files on its way to user code. */
const ways: Record<string, { files: number; prepare: () => () => unknown }> = {
  "Fanout.tryPush() to its handler": {
    files: 4,
    prepare: () => {
      const fanout = new Fanout(() => done, { concurrency: 2 });
      fanout.tryPush(0);
      return () => fanout.tryPush(1);
    },
  },
  "Aggregator.tryPush() to its handler": {
    files: 7,
    prepare: () => {
      const aggregator = new Aggregator(() => done, { maxItems: 2 });
      aggregator.tryPush(0);
      return () => aggregator.tryPush(1);
    },
  },
  "a write to a MapStream to its function": {
    files: 4,
    prepare: () => {
      const { readable, writable } = new MapStream(() => done, { concurrency: 2 });
      readable.getReader().read();
      const writer = writable.getWriter();
      return () => writer.write(1);
    },
  },
  "a write to a BatchStream to its batch": {
    files: 5,
    prepare: () => {
      const { readable, writable } = new BatchStream(1);
      readable.getReader().read();
      const writer = writable.getWriter();
      return () => writer.write(1);
    },
  },
  "Singleflight.do() to its function": {
    files: 2,
    prepare: () => {
      const flight = new Singleflight();
      return () => flight.do("key", () => done);
    },
  },
};

const session = new Session();
session.connect();
await session.post("Profiler.enable");

for (const [name, { files, prepare }] of Object.entries(ways)) {
  Deno.test(`${name} is at most ${files} files`, async () => {
    const go = prepare();
    // By then the streams have started.
    await new Promise((resolve) => setTimeout(resolve));
    const way = await called(go);
    const calls = way.reduce((sum, [, count]) => sum + count, 0);
    const through = way.map(([file]) => file).filter((file) => !ASIDE.test(file));
    const line = `${name}: ${calls} calls, ${through.length} files: ${through.join(", ")}`;
    console.log(line);
    assert(through.length > 0 && through.length <= files, line);
  });
}

/** The files whose functions run, and how often. */
async function called(go: () => unknown): Promise<[file: string, calls: number][]> {
  const start = { callCount: true, detailed: false, allowTriggeredUpdates: false };
  await session.post("Profiler.startPreciseCoverage", start);
  go();
  const { result } = await session.post("Profiler.takePreciseCoverage");
  await session.post("Profiler.stopPreciseCoverage");
  return result.filter(({ url }) => url.startsWith(SOURCES)).map(({ url, functions }) => {
    // Each module counts as an unnamed function, which ran at the import.
    const named = functions.filter(({ functionName }) => functionName !== "");
    const calls = named.reduce((sum, { ranges }) => sum + ranges[0]!.count, 0);
    return [url.slice(SOURCES.length), calls] as [string, number];
  }).filter(([, calls]) => calls > 0);
}

/** The folder of a file of the core. */
function folderOf(path: string): string | undefined {
  const [src, core, folder] = path.split("/");
  return src === "src" && core === "core" ? folder : undefined;
}

/** The imports of each module that `mod.ts` reaches, including types. */
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

/** The whole library as one script. */
function bundleAll(): string {
  const { outputFiles } = buildSync({
    entryPoints: ["mod.ts"],
    bundle: true,
    write: false,
    format: "iife",
    treeShaking: false,
    target: "es2022",
    logLevel: "silent",
  });
  return outputFiles[0]!.text;
}
