/** Starts and ends workerd, Cloudflare's runtime, as a server for a test. */

import { binary } from "../../tools/runtimes.ts";

/** The date of compatibility: Workers have all features until then by default. */
const DATE = "2026-11-01";

/** With this flag, no request may wait for a promise that another one settles. */
export const NO_HANDLING = "no_handle_cross_request_promise_resolution";

/**
 * With this flag, a Worker may call other handlers of a Worker besides `fetch`, such as `queue`.
 */
export const EXTRA_HANDLERS = "service_binding_extra_handlers";

/** The two ways in which workerd treats a promise that another request settles. */
export const SETTINGS: Record<string, readonly string[]> = {
  "default flags": [],
  "no handling of promises": [NO_HANDLING],
};

/** A Worker of one module. */
export interface Worker {
  /** The file of the module, relative to the configuration. */
  readonly file: string;
  readonly flags?: readonly string[] | undefined;
  readonly date?: string;
  /** The service that answers each `fetch`. */
  readonly outbound?: string;
  /** Its variables, and the services that it may call. */
  readonly vars?: Record<string, string | number>;
  readonly services?: Record<string, string>;
  /** Its Durable Objects, which have SQLite: their bindings and classes. */
  readonly objects?: Record<string, string>;
  /** The directory of their data. By default the data is in memory. */
  readonly disk?: string;
}

/** A running server. */
export interface Server<Name extends string> extends AsyncDisposable {
  /** The address of each Worker. */
  readonly urls: Record<Name, string>;
}

/** Serves some Workers. A service given as a port is a server on this machine. */
export async function serve<Name extends string>(
  home: string,
  workers: Record<Name, Worker>,
  ports: Record<string, number> = {},
): Promise<Server<Name>> {
  await Deno.writeTextFile(`${home}/config.capnp`, config(workers, ports));
  const all: readonly Worker[] = Object.values(workers);
  const experimental = all.some(({ flags }) => flags?.includes(EXTRA_HANDLERS));
  const child = new Deno.Command(await binary("workerd"), {
    args: [
      "serve",
      ...(experimental ? ["--experimental"] : []),
      "--control-fd=1",
      `${home}/config.capnp`,
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const end = async () => {
    // A hanging request prevents any other way to end it.
    child.kill("SIGKILL");
    await child.status;
  };
  try {
    const urls = await listening(child.stdout, Object.keys(workers).length);
    return { urls, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

function config(workers: Record<string, Worker>, ports: Record<string, number>): string {
  const names = Object.keys(workers);
  const disks = names.filter((name) => workers[name]!.disk);
  const services = [
    ...names.map((name) => `(name = "${name}", worker = ${worker(name, workers[name]!)})`),
    ...disks.map((name) =>
      `(name = "${name} disk", disk = (path = "${workers[name]!.disk}", writable = true))`
    ),
    ...Object.entries(ports).map(([name, port]) =>
      `(name = "${name}", external = (address = "127.0.0.1:${port}", http = ()))`
    ),
  ];
  const sockets = names.map((name) =>
    `(name = "${name}", address = "127.0.0.1:0", http = (), service = "${name}")`
  );
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    ${services.join(",\n    ")},
  ],
  sockets = [
    ${sockets.join(",\n    ")},
  ],
);
`;
}

function worker(name: string, { file, flags = [], date = DATE, ...rest }: Worker): string {
  const { outbound, vars = {}, services = {}, objects = {}, disk } = rest;
  const bindings = [
    ...Object.entries(vars).map(([key, value]) =>
      `(name = "${key}", json = ${JSON.stringify(JSON.stringify(value))})`
    ),
    ...Object.entries(services).map(([key, to]) => `(name = "${key}", service = "${to}")`),
    ...Object.entries(objects).map(([key, of]) =>
      `(name = "${key}", durableObjectNamespace = "${of}")`
    ),
  ];
  const classes = Object.values(objects).map((of) =>
    `(className = "${of}", uniqueKey = "${of}", enableSql = true)`
  );
  const fields = [
    `modules = [(name = "worker.js", esModule = embed "${file}")]`,
    `compatibilityDate = "${date}"`,
    `compatibilityFlags = [${flags.map((flag) => `"${flag}"`).join(", ")}]`,
    `bindings = [${bindings.join(", ")}]`,
    `durableObjectNamespaces = [${classes.join(", ")}]`,
    disk ? `durableObjectStorage = (localDisk = "${name} disk")` : "",
    !disk && classes.length > 0 ? "durableObjectStorage = (inMemory = void)" : "",
    outbound ? `globalOutbound = "${outbound}"` : "",
  ];
  return `(${fields.filter(Boolean).join(", ")})`;
}

/** The address of each socket. */
async function listening(
  stdout: ReadableStream<Uint8Array>,
  count: number,
): Promise<Record<string, string>> {
  const urls: Record<string, string> = {};
  let text = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      const { event, socket, port } = JSON.parse(line);
      if (event === "listen") urls[socket] = `http://127.0.0.1:${port}`;
    }
    if (Object.keys(urls).length === count) return urls;
  }
  throw new Error("workerd ended before it listened");
}
