/** One fetch handler, served by what the runtime has. */

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

/** Listens on the loopback interface; port 0 is any that is free. */
export async function serve(handler: Handler, port: number): Promise<Server> {
  if (Bun) return Bun.serve({ hostname: HOSTNAME, port, fetch: handler });
  if (!Deno) return await serveNode(handler, port);
  const server = Deno.serve({ hostname: HOSTNAME, port, onListen() {} }, handler);
  return { port: server.addr.port, stop: () => server.shutdown() };
}

async function serveNode(handler: Handler, port: number): Promise<Server> {
  const server = createServer((incoming, outgoing) => {
    answer(handler, incoming, outgoing).catch((error) => outgoing.destroy(error));
  });
  await new Promise<void>((resolve, reject) => {
    server.on("error", reject).listen(port, HOSTNAME, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () => new Promise((resolve) => server.close(() => resolve())),
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
