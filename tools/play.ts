/**
 * The page in which one sees a pipeline run: builds it, and serves it.
 *
 * `--port` says where; `--screenshots` takes the pictures of the docs into a folder instead.
 */

import { build } from "esbuild";
import { parseArgs } from "node:util";
import { Missing } from "./hosts/host.ts";

const ROOT = decodeURIComponent(new URL("../", import.meta.url).pathname);
const SOURCES = `${ROOT}site/play`;
const BUILT = `${ROOT}.build/play`;
const PORT = "8765";
const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
};

/** Builds the page into a folder. All of its addresses are relative. `nav` leads to other pages. */
export async function buildPlay(directory: string, nav = ""): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  await build({
    absWorkingDir: ROOT,
    entryPoints: [`${SOURCES}/main.ts`, `${SOURCES}/replayer.ts`],
    outdir: directory,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    logLevel: "silent",
  });
  await Deno.copyFile(`${SOURCES}/style.css`, `${directory}/style.css`);
  const page = await Deno.readTextFile(`${SOURCES}/index.html`);
  await Deno.writeTextFile(`${directory}/index.html`, page.replace("<header>", `$&${nav}`));
}

/** Serves a folder that `buildPlay` has filled. */
export function servePlay(directory: string, port: number): Deno.HttpServer<Deno.NetAddr> {
  const options = { hostname: "127.0.0.1", port, onListen() {} };
  return Deno.serve(options, async (request) => {
    const name = new URL(request.url).pathname.slice(1) || "index.html";
    const type = TYPES[name.split(".").at(-1)!];
    if (!type || !/^[a-z]+\.[a-z]+$/.test(name)) return new Response(null, { status: 404 });
    const body = await Deno.readFile(`${directory}/${name}`).catch(() => null);
    return new Response(body, {
      status: body ? 200 : 404,
      headers: { "content-type": type, "cache-control": "no-store" },
    });
  });
}

/** Ends with one line. */
function complain(message: string): never {
  console.error(message);
  Deno.exit(1);
}

async function main(): Promise<void> {
  const { port = PORT, screenshots } = readOptions();
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65535) {
    complain(`--port must be a whole number from 0 to 65535; got ${port}`);
  }
  await buildPlay(BUILT);
  const server = serve(screenshots === undefined ? Number(port) : 0);
  const address = `http://127.0.0.1:${server.addr.port}/`;
  if (screenshots === undefined) {
    console.log(`See a pipeline run: ${address}`);
    return await server.finished;
  }
  const { takeScreenshots } = await import("./play_screenshots.ts");
  await takeScreenshots(address, screenshots).catch((error: unknown) => {
    if (error instanceof Missing) complain(error.message);
    throw error;
  });
  await server.shutdown();
}

function serve(port: number): Deno.HttpServer<Deno.NetAddr> {
  try {
    return servePlay(BUILT, port);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    complain(`Port ${port} is in use. Choose another one: deno task play --port ${port + 1}`);
  }
}

function readOptions(): { port?: string | undefined; screenshots?: string | undefined } {
  try {
    const text = { type: "string" } as const;
    return parseArgs({ options: { port: text, screenshots: text } }).values;
  } catch (error) {
    complain((error as Error).message);
  }
}

if (import.meta.main) await main();
