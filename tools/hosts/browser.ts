/** Browsers: a page runs the suite, and reports over a socket. */

import {
  type Browser,
  chromium as chromiumProgram,
  firefox as firefoxProgram,
  startBrowser,
  titleOf,
} from "./browser_process.ts";
import { bundleForWeb } from "./bundle.ts";
import { follow } from "./follow.ts";
import type { Host } from "./host.ts";

const START = `const socket = new WebSocket("/socket");
socket.onopen = () => tellAll((line) => socket.send(line));`;
const PAGE = '<!doctype html><title>weir</title><script type="module" src="suite.js"></script>';

/** Only a page with these headers has `SharedArrayBuffer`. */
const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

/** Chromium, or Chrome. */
export const chromium: Host = host(chromiumProgram);

/** Firefox. */
export const firefox: Host = host(firefoxProgram);

function host(browser: Browser): Host {
  return {
    name: browser.name,
    title: () => titleOf(browser),
    async run(files) {
      const title = await titleOf(browser);
      const suite = await bundleForWeb(files, START);
      const { readable, writable } = new TransformStream<string, string>();
      const writer = writable.getWriter();
      await using server = serve(suite, writer);
      await using _process = await startBrowser(browser, [`http://127.0.0.1:${server.addr.port}/`]);
      return await follow(title, { lines: readable[Symbol.asyncIterator](), stop() {} });
    },
  };
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
