/** Runs the Workers of `examples/edge` in workerd, with the server that they fetch from. */

import { stop } from "esbuild";
import { bundle } from "../../tools/hosts/bundle.ts";
import { type Gate, gate } from "../support/gate.ts";
import { serve, type Server, type Worker } from "./workerd.ts";

const HOME = ".build/edge";
const LIMIT = 20_000;

/** The modules with the roles of `edge_worker.ts`, and `examples/edge/log.ts`. */
export const file = "edge.js";
export const logFile = "log.js";

/** The service that the Workers fetch from. */
export const outbound = "origin";

/** The configuration that a reader deploys. */
export async function deployed(
  name: string,
): Promise<Pick<Worker, "date" | "flags" | "objects"> & Required<Pick<Worker, "vars">>> {
  const path = `examples/edge/wrangler.${name}.jsonc`;
  const { compatibility_date, compatibility_flags, vars, durable_objects } = JSON.parse(
    await Deno.readTextFile(path),
  );
  const bindings: { name: string; class_name: string }[] = durable_objects?.bindings ?? [];
  const objects = Object.fromEntries(bindings.map(({ name, class_name }) => [name, class_name]));
  return { date: compatibility_date, flags: compatibility_flags ?? [], vars, objects };
}

let ready: Promise<void> | undefined;

async function prepare(): Promise<void> {
  await Deno.mkdir(HOME, { recursive: true });
  await bundle("tests/children/edge_worker.ts", `${HOME}/${file}`);
  await bundle("examples/edge/log.ts", `${HOME}/${logFile}`);
  await stop();
}

/** Serves some Workers, which fetch from `origin`. */
export async function start<Name extends string>(
  workers: Record<Name, Worker>,
  ports: { readonly origin: number } = { origin: 1 },
): Promise<Server<Name>> {
  await (ready ??= prepare());
  return await serve(HOME, workers, ports);
}

/** The response that a client got. */
export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Sends a request as a client. */
export async function ask(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(LIMIT), ...init });
  return { status: response.status, text: await response.text() };
}

/** The same by POST. */
export function post(url: string): Promise<Answer> {
  return ask(url, { method: "POST" });
}

/** The number of requests that have reached a Worker. */
export async function came(url: string, count: number): Promise<void> {
  while (JSON.parse((await ask(`${url}/counts`)).text).came < count);
}

/** The server that the Workers fetch from. */
export interface Origin extends AsyncDisposable {
  /** The clients of the front leave when it is resolved. */
  readonly leave: Gate;
  /** The fetched requests. */
  readonly seen: readonly string[];
  readonly ports: { readonly origin: number };
}

/** Starts the server. */
export function origin(answer: (request: Request) => Response | Promise<Response>): Origin {
  const leave = gate();
  const ended = gate<Response>();
  const seen: string[] = [];
  const server = Deno.serve({ port: 0, onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/leave") {
      await Promise.race([leave.promise, ended.promise]);
      return new Response();
    }
    seen.push(`${request.method} ${pathname}`);
    return await Promise.race([answer(request), ended.promise]);
  });
  return {
    leave,
    seen,
    ports: { origin: server.addr.port },
    async [Symbol.asyncDispose](): Promise<void> {
      ended.resolve(new Response());
      await server.shutdown();
    },
  };
}

/** A Worker in its role, and its client that leaves. */
export function withFront(role: Worker): Record<"back" | "front", Worker> {
  const front = { file, outbound, vars: { ROLE: "front" }, services: { BACK: "back" } };
  return { back: role, front };
}
