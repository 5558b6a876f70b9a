/** Measures how much a module adds to a bundle. */

import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const ROOT = decodeURIComponent(new URL("../", import.meta.url).pathname);

/** In bytes. */
export interface Size {
  readonly minified: number;
  readonly gzipped: number;
}

/**
 * Bundles a module in the repository's root with all its imports; `code` is its text. Call `stop`
 * of esbuild after the last one.
 */
export async function size(code: string): Promise<Size> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: ROOT, loader: "ts" },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
    logLevel: "silent",
  });
  const { contents } = outputFiles[0]!;
  // The level that sites for package sizes use, and servers that compress once.
  return { minified: contents.length, gzipped: gzipSync(contents, { level: 9 }).length };
}
