/** Requests of a Cloudflare Worker that run at once share a flight, each in its own context. */

import { assertEquals } from "@std/assert";
import { stop } from "esbuild";
import { binary, title } from "../../tools/runtimes.ts";
import { bundle } from "../../tools/hosts/bundle.ts";

const HOME = ".build/worker";
// workerd itself ends a request that hangs, within milliseconds.
const LIMIT = 20_000;

const FLAGS: Record<string, string> = {
  "as it comes": "",
  "no handling of promises": '"no_handle_cross_request_promise_resolution"',
};

const CONFIG = `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [${
  each((name, flag) =>
    `(name = "${name}", worker = (
    modules = [(name = "worker.js", esModule = embed "worker.js")],
    compatibilityDate = "2026-11-01",
    compatibilityFlags = [${flag}],
  ))`
  )
}],
  sockets = [${
  each((name) => `(name = "${name}", address = "127.0.0.1:0", http = (), service = "${name}")`)
}],
);
`;

function each(text: (name: string, flag: string) => string): string {
  return Object.entries(FLAGS).map(([name, flag]) => text(name, flag)).join(", ");
}

const SETTLED = "the second settles it";
const value = { "0": 1, "1": 2, "2": 3 };
const both = (given: object) => [given, given];

/** What the first and the second are told. */
const expected: Record<string, object[]> = {
  "do": both({ value }),
  "do with a signal": both({ value }),
  "doShared": both({ value: { value, shared: true } }),
  "doShared with a signal": both({ value: { value, shared: true } }),
  "clone": both({ value }),
  "clone and cache": both({ value }),
  "do that fails": both({ error: "Error: down" }),
  "do with a signal that fails": both({ error: "Error: down" }),
  "the second leaves": [{ value }, { error: "Error: left" }],
  "the first leaves": [{ error: "Error: left" }, { value }],
  [SETTLED]: both({ value: { value, shared: true } }),
};

Deno.test(`Singleflight shares flights across requests in ${title("workerd")} [6.12]`, async (t) => {
  await Deno.mkdir(HOME, { recursive: true });
  await bundle("tests/children/worker.ts", `${HOME}/worker.js`);
  await stop();
  await Deno.writeTextFile(`${HOME}/config.capnp`, CONFIG);
  const child = new Deno.Command(await binary("workerd"), {
    args: ["serve", "--control-fd=1", `${HOME}/config.capnp`],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  try {
    const ports = await listening(child.stdout);
    for (const [flags, port] of Object.entries(ports)) {
      for (const [way, told] of Object.entries(expected)) {
        // Without that no request may wait for what another one settles.
        if (way === SETTLED && FLAGS[flags]) continue;
        await t.step(`${way}, ${flags}`, async () => {
          const url = `http://127.0.0.1:${port}/${encodeURIComponent(way)}`;
          const answers = await Promise.all([ask(url), ask(url)]);
          answers.sort((one, other) => Number(one.second) - Number(other.second));
          const numbered: unknown[] = told.map((each, at) => ({ second: at === 1, ...each }));
          assertEquals<unknown>(answers, numbered);
        });
      }
    }
  } finally {
    // A request that hangs keeps it from ending in any other way.
    child.kill("SIGKILL");
    await child.status;
  }
});

async function ask(url: string): Promise<Record<string, unknown>> {
  const response = await fetch(url, { signal: AbortSignal.timeout(LIMIT) });
  const text = await response.text();
  return response.ok ? JSON.parse(text) : { status: response.status, text };
}

/** The port of each socket. */
async function listening(stdout: ReadableStream<Uint8Array>): Promise<Record<string, number>> {
  const ports: Record<string, number> = {};
  let text = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      const { event, socket, port } = JSON.parse(line);
      if (event === "listen") ports[socket] = port;
    }
    if (Object.keys(ports).length === Object.keys(FLAGS).length) return ports;
  }
  throw new Error("workerd ended before it listened");
}
