/** A static server for some directories. It counts the modules that a page loads from it. */

import { gate } from "../../support/gate.ts";

/** The target of each path: a directory, if the path ends with a slash, or a page. */
export type Routes = Readonly<Record<string, string>>;

const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
};

/** A site. */
export class Site implements AsyncDisposable {
  /** The requested modules, in order. */
  readonly modules: string[] = [];
  readonly #loading = gate();
  readonly #routes: Routes;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(routes: Routes) {
    this.#routes = routes;
    const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
    this.#server = Deno.serve(options, (request) => this.#answer(new URL(request.url).pathname));
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Resolves when a page is there and loads its first module. */
  get loading(): Promise<void> {
    return this.#loading.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(pathname: string): Promise<Response> {
    if (pathname.endsWith(".js")) {
      this.modules.push(pathname);
      this.#loading.resolve();
    }
    const page = this.#routes[pathname];
    if (page !== undefined && !pathname.endsWith("/")) {
      return new Response(page, { headers: { "content-type": TYPES.html! } });
    }
    for (const [path, directory] of Object.entries(this.#routes)) {
      if (!path.endsWith("/") || !pathname.startsWith(path)) continue;
      const file = `${directory}${pathname.slice(path.length)}`.replace(/\/$/, "/index.html");
      const body = await Deno.readFile(file).catch(() => undefined);
      const type = TYPES[file.split(".").at(-1)!];
      if (body && type) return new Response(body, { headers: { "content-type": type } });
    }
    return new Response(null, { status: 404 });
  }
}
