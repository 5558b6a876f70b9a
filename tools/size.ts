/** What a module adds to a bundle. */

import { build } from "esbuild";

/** In bytes. */
export interface Size {
  readonly minified: number;
  readonly gzipped: number;
}

/** Bundles a module with all that it imports. Call `stop` of esbuild when there are no more. */
export async function size(entryPoint: string): Promise<Size> {
  const { outputFiles } = await build({
    entryPoints: [entryPoint],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
    logLevel: "silent",
  });
  const minified = new Blob([outputFiles[0]!.contents as Uint8Array<ArrayBuffer>]);
  const compressed = minified.stream().pipeThrough(new CompressionStream("gzip"));
  const gzipped = await new Response(compressed).arrayBuffer();
  return { minified: minified.size, gzipped: gzipped.byteLength };
}
