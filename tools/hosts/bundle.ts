/** The tests as plain JavaScript modules. */

import { build, type BuildOptions, type Plugin } from "esbuild";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);
const FOR_NODE = `${ROOT}.build/node`;

const options: BuildOptions = {
  absWorkingDir: ROOT,
  bundle: true,
  // A bundle is a program, but the recipes in it are not.
  define: { "import.meta.main": "false" },
  format: "esm",
  logLevel: "silent",
};

/** The web has no `AsyncLocalStorage`. */
const noAsyncHooks: Plugin = {
  name: "no node:async_hooks",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:async_hooks$/ }, ({ path }) => ({ path, namespace: "none" }));
    onLoad({ filter: /^/, namespace: "none" }, () => ({
      contents: "export const AsyncLocalStorage = undefined;",
    }));
  },
};

const forNode = new Map<string, Promise<string[]>>();

/** One module of a program, for every runtime: the oldest knows no `using`. */
export async function bundle(entry: string, outfile: string): Promise<void> {
  await build({ ...options, entryPoints: [entry], outfile, platform: "neutral", target: "node22" });
}

/**
 * One module a test file, the same for every Node. A program that runs beside the gate takes a directory of
 * its own.
 */
export function bundleForNode(
  files: readonly string[],
  home: string = FOR_NODE,
): Promise<string[]> {
  const known = [home, ...files].join();
  const outdir = `${home}/${forNode.size}`;
  if (!forNode.has(known)) forNode.set(known, writeForNode(files, outdir));
  return forNode.get(known)!;
}

async function writeForNode(files: readonly string[], outdir: string): Promise<string[]> {
  await Deno.remove(outdir, { recursive: true }).catch(() => {});
  const { metafile } = await build({
    ...options,
    entryPoints: [...files],
    outdir,
    // For packages that are no modules.
    banner: {
      js:
        'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
    outExtension: { ".js": ".mjs" },
    platform: "node",
    target: "node22",
    sourcemap: "inline",
    metafile: true,
  });
  return Object.keys(metafile.outputs).map((path) => `${ROOT}${path}`);
}

/**
 * One module with all of the tests, for a runtime that knows nothing but the web. `start` is the code
 * that calls `tellAll` there.
 */
export async function bundleForWeb(files: readonly string[], start: string): Promise<string> {
  const imports = files.map((file) => `import "./${file}";`);
  const tell = 'import { tellAll } from "./tests/support/telling.ts";';
  const { outputFiles } = await build({
    ...options,
    stdin: { contents: [...imports, tell, start].join("\n"), resolveDir: ROOT },
    plugins: [noAsyncHooks],
    target: "es2022",
    write: false,
  });
  return outputFiles[0]!.text;
}
