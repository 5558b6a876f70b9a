/** Browsers: a page runs the suite, and tells of it by a socket. */

import { chromium as playwright } from "playwright-core";
import { bundleForWeb } from "./bundle.ts";
import { follow } from "./follow.ts";
import { type Host, Missing } from "./host.ts";
import type { HostName } from "../../tests/support/host.ts";

const START = `const socket = new WebSocket("/socket");
socket.onopen = () => tellAll((line) => socket.send(line));`;
const PAGE = '<!doctype html><title>weir</title><script type="module" src="suite.js"></script>';

/** Only such a page has `SharedArrayBuffer`. */
const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** Opens a page in a browser; the result ends the browser. */
type Open = (path: string, url: string) => Promise<() => Promise<void>>;

/** Chromium, or Chrome. */
export const chromium: Host = browser(
  "chromium",
  ["chromium", "chromium-browser", "google-chrome"],
  async (path, url) => {
    const browser = await playwright.launch({
      executablePath: path,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
    const page = await browser.newPage();
    await page.goto(url);
    return () => browser.close();
  },
);

/** Firefox. Playwright drives a build of its own only, so this is a headless one with a fresh profile. */
export const firefox: Host = browser("firefox", ["firefox-esr", "firefox"], async (path, url) => {
  const profile = await Deno.makeTempDir({ prefix: "weir-firefox-" });
  const child = new Deno.Command(path, {
    args: ["--headless", "--no-remote", "--profile", profile, url],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  return async () => {
    child.kill("SIGTERM");
    await child.status;
    await Deno.remove(profile, { recursive: true });
  };
});

function browser(name: HostName, commands: readonly string[], open: Open): Host {
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
    pinned: false,
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
      const close = await open(path, `http://127.0.0.1:${server.addr.port}/`);
      try {
        return await follow(await host.title(), {
          lines: readable[Symbol.asyncIterator](),
          stop() {},
        });
      } finally {
        await close();
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
