/** Browsers, headless, with a fresh profile: a page runs the suite, and tells of it by a socket. */

import type { HostName } from "../../tests/support/host.ts";
import { bundleForWeb } from "./bundle.ts";
import { follow } from "./follow.ts";
import { type Host, Missing } from "./host.ts";

const START = `const socket = new WebSocket("/socket");
socket.onopen = () => tellAll((line) => socket.send(line));`;
const PAGE = '<!doctype html><title>weir</title><script type="module" src="suite.js"></script>';

/** Only such a page has `SharedArrayBuffer`. */
const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** Chromium, or Chrome. */
export const chromium: Host = browser(
  "chromium",
  ["chromium", "chromium-browser", "google-chrome"],
  (profile) => [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    `--user-data-dir=${profile}`,
  ],
);

/** Firefox. */
export const firefox: Host = browser(
  "firefox",
  ["firefox-esr", "firefox"],
  (profile) => ["--headless", "--no-remote", "--profile", profile],
);

function browser(
  name: HostName,
  commands: readonly string[],
  options: (profile: string) => string[],
): Host {
  const found = async () => {
    const path = await find(commands);
    if (path === undefined) {
      throw new Missing(
        `no ${commands.join(", ")} found; in Debian: apt-get install ${commands[0]}`,
      );
    }
    return path;
  };
  const host: Host = {
    name,
    async title() {
      const { stdout } = await new Deno.Command(await found(), { args: ["--version"] }).output();
      const [version] = /\d[\d.]+/.exec(new TextDecoder().decode(stdout)) ?? ["of unknown version"];
      return `${name} ${version}`;
    },
    async run(files) {
      const path = await found();
      const suite = await bundleForWeb(files, START);
      const { readable, writable } = new TransformStream<string, string>();
      const writer = writable.getWriter();
      await using server = serve(suite, writer);
      const profile = await Deno.makeTempDir({ prefix: `weir-${name}-` });
      const child = new Deno.Command(path, {
        args: [...options(profile), `http://127.0.0.1:${server.addr.port}/`],
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).spawn();
      try {
        return await follow(await host.title(), {
          lines: readable[Symbol.asyncIterator](),
          stop() {},
        });
      } finally {
        child.kill("SIGTERM");
        await child.status;
        // A process of the browser may still write there.
        await Deno.remove(profile, { recursive: true }).catch(() => {});
      }
    },
  };
  return host;
}

function serve(suite: string, writer: WritableStreamDefaultWriter<string>) {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname } = new URL(request.url);
    const headers = { "content-type": "text/html; charset=utf-8", ...ISOLATED };
    if (pathname === "/socket") {
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.onmessage = ({ data }) => void writer.write(data);
      socket.onclose = () => void writer.close();
      return response;
    }
    if (pathname === "/suite.js") {
      return new Response(suite, { headers: { ...headers, "content-type": "text/javascript" } });
    }
    return new Response(PAGE, { headers });
  });
}

/** The first of the commands that is in the path. */
async function find(commands: readonly string[]): Promise<string | undefined> {
  const directories = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/bin"];
  for (const command of commands) {
    for (const directory of directories) {
      const path = `${directory}/${command}`;
      if (await Deno.stat(path).then((info) => info.isFile, () => false)) return path;
    }
  }
}
