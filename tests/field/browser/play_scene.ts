/** A test of the page of `play`: its browser, its page, and the figures on the screen. */

import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { type BrowserContextOptions, chromium as driver, type Page } from "playwright-core";
import { DEFAULTS, format, type Settings } from "../../../site/play/settings.ts";
import { chromium, findBrowser } from "../../../tools/hosts/browser_process.ts";
import { buildPlay, servePlay } from "../../../tools/play.ts";
import { type Look, look, sumsOf } from "./play_screen.ts";

/** A page that has not shown it after so long, in milliseconds, never will. */
const PATIENCE = 60_000;
/** Where the page is built for the tests. */
export const BUILT = ".build/play-test";
const executablePath = await findBrowser(chromium);
await buildPlay(BUILT);

/** Fast, so that a test need not wait long. */
export const FAST: Settings = {
  ...DEFAULTS,
  rate: 150,
  linger: 50,
  handlerTime: 100,
  failureRate: 20,
};
/** No handler ends while the test looks. */
export const STUCK: Settings = {
  ...DEFAULTS,
  rate: 200,
  linger: 50,
  handlerTime: 3000,
  capacity: 3,
  failureRate: 0,
};

/** Runs a body on the page. It must load nothing from elsewhere, and complain of nothing. */
export function scene(
  name: string,
  settings: Partial<Settings>,
  body: (page: Page) => Promise<void>,
  options: BrowserContextOptions = {},
): void {
  Deno.test({
    name: `play: ${name}`,
    // The browser is a process of the driver, which closes it a moment after the test.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      await using server = servePlay(BUILT, 0);
      const origin = `http://127.0.0.1:${server.addr.port}/`;
      const browser = await driver.launch({ executablePath, args: ["--no-sandbox"] });
      const wrong: string[] = [];
      try {
        const context = await browser.newContext({
          viewport: { width: 1280, height: 860 },
          permissions: ["clipboard-read", "clipboard-write"],
          ...options,
        });
        const page = await context.newPage();
        page.on("console", (message) => wrong.push(message.text()));
        page.on("pageerror", (error) => wrong.push(String(error)));
        page.on("request", (request) => {
          if (!/^(http:\/\/127|data:)/.test(request.url())) wrong.push(request.url());
        });
        await page.goto(origin + format({ ...DEFAULTS, ...settings }));
        await deadline(body(page), PATIENCE);
        const { broken, frames } = await look(page);
        assertEquals(broken, 0);
        assert(frames > 0);
      } finally {
        await browser.close();
      }
      assertEquals(wrong, []);
    },
  });
}

/** Waits until the screen shows it, and looks at every sum and bound meanwhile. */
export async function until(page: Page, what: (now: Look) => boolean): Promise<Look> {
  for (;;) {
    const now = await look(page);
    holds(now);
    if (what(now)) return now;
    await page.evaluate("new Promise((resolve) => requestAnimationFrame(resolve))");
  }
}

/** The sums and bounds, by the figures on the screen. */
export function holds(now: Look): void {
  const { sink, stream, items, running, waiting, gathering } = now.checks as Required<
    Look["checks"]
  >;
  for (const sum of [sink, stream, items]) assertEquals(...sumsOf(sum!));
  for (const [value, most] of [running!, waiting!, gathering!]) {
    assert(value! <= most!, JSON.stringify(now));
  }
}
