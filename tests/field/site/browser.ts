/** The built site in a browser. */

import { type Browser, chromium, type Page } from "playwright-core";
import { filesIn } from "../../../tools/docs/paths.ts";
import { serve } from "../../../tools/docs/serve.ts";
import { chromium as chromiumProgram, findBrowser } from "../../../tools/hosts/browser_process.ts";
import { Missing } from "../../../tools/hosts/host.ts";

/** Where the tests build it. */
export const SITE = ".build/docs-test";
const BASE = "/some/path/";
/**
 * Of the members of a symbol, and of the symbols of an entry point beside the root, which are the same
 * again, there are hundreds of pages, all made alike: one of so many is opened.
 */
const ALIKE = /^reference\/.*\/~\/\w+\..*\.html$|^reference\/\w+\/[\w-]+\/~\//;
const OF_ALIKE = 15;

const executablePath = await findBrowser(chromiumProgram).catch((error) => {
  if (error instanceof Missing) return undefined;
  throw error;
});

/** A test with a browser, which is left out where there is none. */
export function inBrowser(
  name: string,
  body: (browser: Browser, origin: string) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: executablePath === undefined,
    // The browser is a process whose pipes outlive the test.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      await using server = serve(SITE, { port: 0, base: BASE });
      await using browser = await chromium.launch({
        executablePath: executablePath!,
        args: ["--no-sandbox"],
      });
      await body(browser, `http://127.0.0.1:${server.addr.port}${BASE}`);
    },
  });
}

/** Tells of errors in the console, and of requests that leave the site. */
export function watch(page: Page, origin: string, tell: (what: string) => void): void {
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") tell(message.text());
  });
  page.on("pageerror", (error) => tell(`${error}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !url.startsWith("data:")) tell(`asks for ${url}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) tell(`${response.status()} for ${response.url()}`);
  });
}

/** The pages that a reader sees, without those that only lead to another. */
export async function pagesToOpen(): Promise<string[]> {
  const paths = (await filesIn(SITE)).filter((path) => path.endsWith(".html"));
  const alike = paths.filter((path) => ALIKE.test(path));
  const left = new Set(alike.filter((_, index) => index % OF_ALIKE > 0));
  const pages: string[] = [];
  for (const path of paths) {
    if (left.has(path)) continue;
    const text = await Deno.readTextFile(`${SITE}/${path}`);
    if (!text.includes('http-equiv="refresh"')) pages.push(path);
  }
  return pages;
}
