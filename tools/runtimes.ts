/**
 * Finds the runtimes from npm: bare binaries of fixed versions, which Deno itself installs. They
 * need neither npm nor install scripts.
 */

const VERSIONS = {
  bun: "1.4.5",
  node22: "22.23.3",
  node24: "24.21.0",
  node26: "26.12.1",
  workerd: "1.20261117.1",
};

const HOME = new URL("../.runtimes/", import.meta.url);
const NODE_OS: Record<string, string> = { darwin: "darwin", linux: "linux", windows: "win" };
const OS: Record<string, string> = { ...NODE_OS, windows: "windows" };
const NODE_ARCH = { x86_64: "x64", aarch64: "arm64" };
const BUN_ARCH = { x86_64: "x64", aarch64: "aarch64" };
const WORKERD_ARCH = { x86_64: "64", aarch64: "arm64" };

/** The name of a runtime. */
export type Runtime = keyof typeof VERSIONS;

/** All runtimes from npm. */
export const runtimes = Object.keys(VERSIONS) as Runtime[];

/** The printed name of a runtime. */
export function title(runtime: Runtime | "deno"): string {
  if (runtime === "deno") return `deno ${Deno.version.deno}`;
  return `${runtime.replace(/\d+$/, "")} ${VERSIONS[runtime]}`;
}

/** Returns the path of a runtime's binary, and installs it first if it is missing. */
export function binary(runtime: Runtime): Promise<string> {
  // Two calls at once wait for one installation.
  return found[runtime] ??= find(runtime);
}

const found: Partial<Record<Runtime, Promise<string>>> = {};

async function find(runtime: Runtime): Promise<string> {
  const home = new URL(`${title(runtime).replace(" ", "-")}/`, HOME);
  const path = decodeURIComponent(
    new URL(`node_modules/runtime/bin/${file(runtime)}`, home).pathname,
  );
  if (!await exists(path)) await install(home, `npm:${npmName(runtime)}@${VERSIONS[runtime]}`);
  if (!await exists(path)) throw new Error(`${title(runtime)}: the npm package holds no binary`);
  return path;
}

function npmName(runtime: Runtime): string {
  const { os, arch } = Deno.build;
  if (runtime === "bun") return `@oven/bun-${OS[os] ?? os}-${BUN_ARCH[arch]}`;
  if (runtime === "workerd") return `@cloudflare/workerd-${OS[os] ?? os}-${WORKERD_ARCH[arch]}`;
  return `node-${NODE_OS[os] ?? os}-${NODE_ARCH[arch]}`;
}

function file(runtime: Runtime): string {
  return runtime.replace(/\d+$/, "") + (Deno.build.os === "windows" ? ".exe" : "");
}

async function install(home: URL, specifier: string): Promise<void> {
  await Deno.mkdir(home, { recursive: true });
  await Deno.writeTextFile(
    new URL("package.json", home),
    JSON.stringify({ dependencies: { runtime: specifier } }),
  );
  await Deno.writeTextFile(
    new URL("deno.json", home),
    JSON.stringify({ nodeModulesDir: "auto", lock: false }),
  );
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["install", "--quiet"],
    cwd: home,
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) throw new Error(`${specifier}: ${new TextDecoder().decode(stderr).trim()}`);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, () => false);
}
