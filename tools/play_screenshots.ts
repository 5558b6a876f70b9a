/** The pictures of the page of `play`, for the docs. */

import { chromium as driver, type Page } from "playwright-core";
import { chromium, findBrowser } from "./hosts/browser_process.ts";

/** More than the workers can bear. */
const BUSY =
  "#rate=70&maxItems=9&linger=300&capacity=6&concurrency=3&handlerTime=900&failureRate=12";

/** What is pictured. */
const VIEWS = [
  { name: "play-light", colorScheme: "light", width: 1200, height: 800, hash: "" },
  { name: "play-dark", colorScheme: "dark", width: 1200, height: 800, hash: BUSY },
  { name: "play-phone", colorScheme: "light", width: 390, height: 844, hash: "" },
] as const;

/** Takes the pictures into a folder. Rejects with `Missing` where there is no browser. */
export async function takeScreenshots(address: string, folder: string): Promise<void> {
  const executablePath = await findBrowser(chromium);
  const browser = await driver.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    for (const { name, colorScheme, width, height, hash } of VIEWS) {
      const page = await browser.newPage({ colorScheme, viewport: { width, height } });
      await page.goto(`${address}${hash}`);
      await flowing(page);
      await page.screenshot({ path: `${folder}/${name}.png` });
      await page.close();
    }
  } finally {
    await browser.close();
  }
}

/** Waits until there is something in each part of the picture. */
async function flowing(page: Page): Promise<void> {
  await page.waitForFunction(() => {
    const { document } = globalThis as unknown as {
      document: { querySelector(id: string): { textContent: string } };
    };
    const figure = (id: string) => Number(document.querySelector(`#${id}`).textContent);
    return figure("failed-items") > 0 && figure("done-items") > 100 && figure("waiting") > 1;
  });
}
