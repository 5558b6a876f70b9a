/**
 * Bundles and minifies modules with three bundlers, and prints the sizes in bytes. Its argument is
 * JSON: the text of each module. Rollup has no minifier, so esbuild minifies its output.
 */

const { nodeResolve } = require("@rollup/plugin-node-resolve");
const { build, transform } = require("esbuild");
const { mkdtemp, readFile, rm, writeFile } = require("node:fs/promises");
const { join } = require("node:path");
const { rollup } = require("rollup");
const webpack = require("webpack");

const bundlers = {
  async esbuild(input) {
    const options = { bundle: true, minify: true, format: "esm", write: false };
    const { outputFiles } = await build({ entryPoints: [input], ...options });
    return outputFiles[0].text;
  },
  async rollup(input) {
    const bundle = await rollup({ input, plugins: [nodeResolve()] });
    const { output } = await bundle.generate({ format: "es" });
    return (await transform(output[0].code, { minify: true })).code;
  },
  async webpack(input, path) {
    const stats = await new Promise((resolve, reject) => {
      const output = { path, filename: "webpack.js", library: { type: "module" } };
      webpack(
        { mode: "production", entry: input, output, experiments: { outputModule: true } },
        (error, stats) => error ? reject(error) : resolve(stats),
      );
    });
    if (stats.hasErrors()) throw new Error(stats.toString());
    return await readFile(join(path, "webpack.js"), "utf8");
  },
};

async function main() {
  const folder = await mkdtemp(join(__dirname, "shake-"));
  try {
    const sizes = [];
    for (const text of JSON.parse(process.argv[2])) {
      const input = join(folder, "input.js");
      await writeFile(input, text);
      const row = {};
      for (const [name, bundle] of Object.entries(bundlers)) {
        row[name] = (await bundle(input, folder)).length;
      }
      sizes.push(row);
    }
    console.log(JSON.stringify(sizes));
  } finally {
    await rm(folder, { recursive: true });
  }
}

main();
