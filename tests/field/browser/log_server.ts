/**
 * A server that collects the log of a page. It can hold or refuse requests, sends commands to the
 * page, and records the arrived lines.
 */

import { deadline } from "@std/async/deadline";
import { bundle } from "../../../tools/hosts/bundle.ts";
import { gate } from "../../support/gate.ts";
import { PATIENCE } from "./tabs.ts";

const HTML = { "content-type": "text/html; charset=utf-8" };
const PAGE = '<!doctype html><title>page</title><script type="module" src="/page.js"></script>';
/** The page to which the page navigates, and from which it comes back on command. */
const AWAY = `<!doctype html><title>away</title><script type="module">
  await fetch("/back");
  history.back();
</script>`;

/** The server's action for a POST before it answers. */
export interface Treatment {
  readonly status?: number;
  /** It does not answer before its end. */
  readonly held?: boolean;
}

/** The content of one POST. */
export interface Batch {
  /** The number of each line. */
  readonly lines: readonly number[];
  readonly ids: readonly string[];
}

/** A server with a page, which collects its log. */
export class LogServer implements AsyncDisposable {
  /** In the order of arrival. */
  readonly batches: Batch[] = [];
  /** The calls of the page's `onLost`. */
  readonly lost: string[] = [];
  /** Other messages of the page. */
  readonly told: string[] = [];
  /** Methods of requests to the log. */
  readonly methods: string[] = [];
  /** Actions for the next POSTs, one each. */
  readonly treatments: Treatment[] = [];

  readonly #script: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #commands: string[] = [];
  #changed = gate();
  #over = false;

  constructor(script: string) {
    this.#script = script;
    const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
    this.#server = Deno.serve(options, (request) => this.#answer(request));
  }

  /** The origin of the page. */
  get origin(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** The same server under another origin. */
  get otherOrigin(): string {
    return `http://localhost:${this.#server.addr.port}`;
  }

  /** The number of each line, as often as it has arrived. */
  get lines(): number[] {
    return this.batches.flatMap(({ lines }) => lines);
  }

  /** Sends a command to the page. */
  tell(command: string): void {
    this.#commands.push(command);
    this.#change();
  }

  /** Waits until the arrived lines match. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await deadline(this.#changed.promise, PATIENCE).catch((cause) => {
        const { lines, lost, told } = this;
        const seen = JSON.stringify({ lines, lost, told });
        throw new Error(`not so within ${PATIENCE} ms: ${what}; ${seen}`, { cause });
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    this.#change();
    await this.#server.shutdown();
  }

  #change(): void {
    const { resolve } = this.#changed;
    this.#changed = gate();
    resolve();
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const text = async () => await request.text().catch(() => "");
    switch (pathname) {
      case "/":
        return new Response(PAGE, { headers: HTML });
      case "/away":
        return new Response(AWAY, { headers: HTML });
      case "/page.js":
        return new Response(this.#script, { headers: { "content-type": "text/javascript" } });
      case "/next":
        return await this.#command((command) => command !== "back");
      case "/back":
        return await this.#command((command) => command === "back");
      case "/log":
        this.methods.push(request.method);
        return await this.#log(await text());
      case "/lost":
        this.lost.push(await text());
        break;
      case "/told":
        this.told.push(search.slice(1));
        break;
      default:
        return new Response(null, { status: 404 });
    }
    this.#change();
    return new Response(null, { status: 204 });
  }

  /** Answers a request when there is a command for it. */
  async #command(isFor: (command: string) => boolean): Promise<Response> {
    while (!this.#over) {
      const index = this.#commands.findIndex(isFor);
      if (index >= 0) return new Response(this.#commands.splice(index, 1)[0]!);
      await this.#changed.promise;
    }
    return new Response(null, { status: 204 });
  }

  async #log(body: string): Promise<Response> {
    const events = body.split("\n").filter(Boolean).map((line) => JSON.parse(line));
    this.batches.push({
      lines: events.map(({ event }) => event.n),
      ids: events.map(({ id }) => id),
    });
    const { status = 204, held = false } = this.treatments.shift() ?? {};
    this.#change();
    while (held && !this.#over) await this.#changed.promise;
    return new Response(null, { status, headers: { "access-control-allow-origin": "*" } });
  }
}

/** The script of the page. */
export async function bundlePage(): Promise<string> {
  const path = ".build/browser/page.js";
  await bundle("tests/field/browser/page.ts", path);
  return await Deno.readTextFile(path);
}
