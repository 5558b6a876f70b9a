/** One fetch handler, served by what the runtime has. */

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What answers a request. */
export type Handler = (request: Request) => Promise<Response>;

/** A server that listens. */
export interface Server {
  readonly port: number;
  /** Answers what has been asked, and stops. */
  stop(): Promise<void>;
}

const HOSTNAME = "127.0.0.1";

/** As much of the runtimes as is used here. */
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

/** Listens on the loopback interface; port 0 is any that is free. Rejects with what to do. */
export async function serve(handler: Handler, port: number): Promise<Server> {
  try {
    return await listen(handler, port);
  } catch (error) {
    throw explain(error, port);
  }
}

/** What to say of a port that can't be had, and what to do; other errors as they are. */
export function explain(error: unknown, port: number): unknown {
  const { code } = error as { code?: unknown };
  if (code === "EADDRINUSE") {
    return new Error(`Port ${port} is in use; give another with --port, or 0 for a free one.`);
  }
  if (code === "EACCES") {
    return new Error(`Port ${port} is not permitted; give one from 1024 with --port.`);
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
      // One that was opened and never used would hold it up.
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Node has the two classes and no server that uses them. */
async function answer(
  handler: Handler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const { method = "GET", url, headers } = incoming;
  const bodiless = method === "GET" || method === "HEAD";
  // As its body, Node's `Request` also takes what can be iterated over.
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
