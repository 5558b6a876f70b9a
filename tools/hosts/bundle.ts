/** Bundles the tests into plain JavaScript modules. */

import { build, type BuildOptions, type Plugin } from "esbuild";

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);
const FOR_NODE = `${ROOT}.build/node`;

const options: BuildOptions = {
  absWorkingDir: ROOT,
  bundle: true,
  // A bundle is a program, but its recipes are not.
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

/** Bundles a program into one module for every runtime. The oldest runtime has no `using`. */
export async function bundle(entry: string, outfile: string): Promise<void> {
  await build({ ...options, entryPoints: [entry], outfile, platform: "neutral", target: "node22" });
}

/**
 * Bundles each test file into a module that works in every Node. A program that runs besides the
 * gate uses another directory.
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
    // For packages that aren't modules.
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
 * Bundles all tests into one module, for a runtime with only web APIs. `start` is the code that
 * calls `tellAll` there.
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
