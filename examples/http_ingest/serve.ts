/** Serves a fetch handler, with the server of each runtime. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Answers a request. */
export type Handler = (request: Request) => Promise<Response>;

/** A server that listens. */
export interface Server {
  readonly port: number;
  /** Answers the requests that have come, and stops. */
  stop(): Promise<void>;
}

const HOSTNAME = "127.0.0.1";

/** The parts of the runtimes that this file uses. */
const { Bun, Deno } = globalThis as unknown as {
  Bun?: {
    serve(options: { hostname: string; port: number; fetch: Handler }): Server;
  };
  Deno?: {
    serve(options: { hostname: string; port: number; onListen(): void }, handler: Handler): {
      readonly addr: { readonly port: number };
      shutdown(): Promise<void>;
    };
  };
};

/** Listens on the loopback interface. Port 0 takes a free port. Its errors say what to do. */
export async function serve(handler: Handler, port: number): Promise<Server> {
  try {
    return await listen(handler, port);
  } catch (error) {
    throw explain(error, port);
  }
}

/** Explains an error of a port, and says what to do. Returns other errors unchanged. */
export function explain(error: unknown, port: number): unknown {
  const { code } = error as { code?: unknown };
  if (code === "EADDRINUSE") {
    return new Error(`Port ${port} is in use. Give another one with --port, or 0 for a free one.`);
  }
  if (code === "EACCES") {
    return new Error(`Port ${port} is not permitted. Give one of 1024 or higher with --port.`);
  }
  return error;
}

async function listen(handler: Handler, port: number): Promise<Server> {
  if (Bun) return Bun.serve({ hostname: HOSTNAME, port, fetch: handler });
  if (!Deno) return await serveNode(handler, port);
  const server = Deno.serve({ hostname: HOSTNAME, port, onListen() {} }, handler);
  return { port: server.addr.port, stop: () => server.shutdown() };
}

async function serveNode(handler: Handler, port: number): Promise<Server> {
  const answers = new Set<Promise<void>>();
  const server = createServer((incoming, outgoing) => {
    answer(handler, incoming, outgoing).catch((error) => outgoing.destroy(error));
    const over = new Promise<void>((resolve) => outgoing.on("close", resolve));
    answers.add(over);
    over.then(() => answers.delete(over));
  });
  await new Promise<void>((resolve, reject) => {
    server.on("error", reject).listen(port, HOSTNAME, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = once(server.close(), "close");
      while (answers.size > 0) await Promise.all(answers);
      // A connection that was opened and never used would hold it up.
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Node has `Request` and `Response`, and no server that uses them. */
async function answer(
  handler: Handler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const { method = "GET", url, headers } = incoming;
  const bodiless = method === "GET" || method === "HEAD";
  // The `Request` of Node also takes an iterable as its body.
  const response = await handler(
    new Request(new URL(url ?? "/", `http://${headers.host ?? HOSTNAME}`), {
      method,
      headers: Object.entries(headers).map(([name, value]) => [name, String(value)]),
      ...(!bodiless && { body: incoming as unknown as BodyInit, duplex: "half" }),
    }),
  );
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(await response.bytes());
}
