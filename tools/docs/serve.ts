/** A static host of a folder. */

import { extname } from "node:path/posix";

const TYPES: Record<string, string> = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};

/** Where it is served. */
export interface ServeOptions {
  /** Any free one is 0. */
  readonly port: number;
  /** The path of the folder, with a slash at both ends. */
  readonly base?: string;
}

/** Serves a folder to this machine. */
export function serve(
  folder: string,
  { port, base = "/" }: ServeOptions,
): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, async (request) => {
    const path = decodeURIComponent(new URL(request.url).pathname);
    if (!path.startsWith(base)) return new Response("not of this site", { status: 404 });
    const name = path.slice(base.length).replace(/(^|\/)$/, "$1index.html");
    try {
      const content = await Deno.readFile(`${folder}/${name}`);
      const type = TYPES[extname(name)] ?? "application/octet-stream";
      return new Response(content, { headers: { "content-type": type } });
    } catch {
      const page = await Deno.readFile(`${folder}/404.html`).catch(() => "There is no such page");
      return new Response(page, { status: 404, headers: { "content-type": TYPES[".html"]! } });
    }
  });
}
