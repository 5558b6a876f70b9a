/**
 * Builds the npm packages from the sources and `deno.json`: compiled modules, declarations and a
 * manifest.
 *
 * As a program: `deno task npm`.
 */

import { dirname } from "node:path";
import { entriesOf, type Package, packages, shortName } from "./packages.ts";
import { deno } from "./run.ts";

const HOME = ".build/npm";

/** The descriptions that npm shows. */
const ABOUT: Record<string, { description: string; keywords: readonly string[] }> = {
  streams: {
    description:
      "Batching, bounded concurrent fan-out, chunking by size and single-flight, as web streams",
    keywords: ["web-streams", "batch", "chunk", "concurrency", "queue", "backpressure"],
  },
  opentelemetry: {
    description: "OpenTelemetry metrics and traces of the queues and handlers of @weir/streams",
    keywords: ["opentelemetry", "metrics", "tracing", "queue", "batch", "web-streams"],
  },
  nats: {
    description:
      "NATS JetStream as web streams, and acknowledgements for any broker, for @weir/streams",
    keywords: ["nats", "jetstream", "queue", "acknowledgement", "at-least-once", "web-streams"],
  },
};
const NODE = ">=22";

const TSC = ["run", "-A", "node_modules/typescript/bin/tsc"];
const EMIT = [
  ...["--noEmit", "false", "--allowImportingTsExtensions", "false"],
  ...["--rewriteRelativeImportExtensions", "--declaration"],
  ...["--module", "NodeNext", "--moduleResolution", "NodeNext"],
];

// JSR refuses this line in a source, and TypeScript doesn't write it. Without it, the types of
// browsers and Workers lack the types that `using` needs.
const DISPOSABLE = '/// <reference lib="esnext.disposable" />\n';

/** The folder of a built package. */
export function builtAt(of: Package, home: string = HOME): string {
  return `${home}/${shortName(of)}`;
}

/**
 * Builds all packages again, and returns their folders. A program that runs besides others uses
 * another directory.
 */
export async function buildPackages(home: string = HOME): Promise<string[]> {
  await Deno.remove(home, { recursive: true }).catch(() => {});
  const built: string[] = [];
  const all = await packages();
  const [library] = all;
  for (const of of all) {
    const target = builtAt(of, home);
    const project = of === library ? "tsconfig.json" : await projectBeside(library!, of, home);
    await build(of, target, project);
    built.push(target);
  }
  return built;
}

/** A project that sees the library as a user does: by its declarations. */
async function projectBeside(library: Package, of: Package, home: string): Promise<string> {
  const root = Deno.cwd();
  const declarations = Object.entries(library.exports).map(([name, source]) => {
    const path = `${root}/${builtAt(library, home)}/${source.replace(/\.ts$/, ".d.ts")}`;
    return [library.name + name.slice(1), [path]];
  });
  const path = `${home}/${shortName(of)}.tsconfig.json`;
  const project = {
    extends: `${root}/${of.folder}/tsconfig.json`,
    include: [],
    files: entriesOf(of).map((path) => `${root}/${path}`),
    // The declarations of NATS don't work with `exactOptionalPropertyTypes`.
    compilerOptions: { paths: Object.fromEntries(declarations), skipLibCheck: true },
  };
  await Deno.writeTextFile(path, JSON.stringify(project));
  return path;
}

async function build(of: Package, target: string, project: string): Promise<void> {
  const { folder, exports, include } = of;
  const where = ["-p", project, "--rootDir", folder, "--outDir", target];
  const { success, output } = await deno([...TSC, ...where, ...EMIT]);
  if (!success) throw new Error(output);

  const entries = Object.entries(exports).map(([name, source]) => {
    const module = source.slice(0, -".ts".length);
    return [name, { types: `${module}.d.ts`, default: `${module}.js` }] as const;
  });
  for (const [, { types }] of entries) {
    const path = `${target}/${types}`;
    await Deno.writeTextFile(path, DISPOSABLE + await Deno.readTextFile(path));
  }

  const compiled: string[] = [];
  for await (const { name } of Deno.readDir(target)) compiled.push(name);
  const papers = include.filter((path) => !/(\.ts|^(deno|jsr)\.json)$/.test(path));
  for (const path of papers) {
    await Deno.mkdir(dirname(`${target}/${path}`), { recursive: true });
    await Deno.copyFile(`${folder}/${path}`, `${target}/${path}`);
  }

  const { peerDependencies, peerDependenciesMeta } = JSON.parse(
    await Deno.readTextFile(`${folder}/package.json`),
  );
  const manifest = {
    name: of.name,
    version: of.version,
    ...ABOUT[shortName(of)],
    license: of.license,
    ...repository(folder),
    type: "module",
    sideEffects: false,
    engines: { node: NODE },
    exports: Object.fromEntries(entries),
    files: [...compiled, ...papers].sort(),
    peerDependencies,
    peerDependenciesMeta,
  };
  await Deno.writeTextFile(`${target}/package.json`, `${JSON.stringify(manifest, null, 2)}\n`);
}

/** npm accepts the provenance of a package only if it names the repository that builds it. */
function repository(directory: string): { repository?: Record<string, string> } {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY } = Deno.env.toObject();
  if (!GITHUB_REPOSITORY) return {};
  const url = `git+${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}.git`;
  return { repository: { type: "git", url, ...(directory !== "." && { directory }) } };
}

if (import.meta.main) {
  for (const path of await buildPackages()) console.log(path);
}
