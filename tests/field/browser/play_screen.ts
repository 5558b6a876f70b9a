/** What stands on the screen of the page of `play`, and what is wrong with it for some of its readers. */

import type { Page } from "playwright-core";

/** The figures on the screen, all of one moment. */
export interface Look {
  /** By the names of the checks, their terms in order. */
  readonly checks: Readonly<Record<string, number[]>>;
  /** Items by their ends. */
  readonly ends: Readonly<Record<string, number>>;
  readonly status: string;
  readonly source: string;
  /** What the first button would do. */
  readonly phase: string;
  readonly frames: number;
  readonly broken: number;
}

/** Reads the screen. */
export async function look(page: Page): Promise<Look> {
  await when(page, 'document.querySelector("[data-check=gathering] b")');
  return await page.evaluate(`(() => {
    const text = (id) => document.getElementById(id).textContent;
    const number = (id) => Number(text(id).replaceAll(",", ""));
    const checks = {};
    for (const check of document.querySelectorAll("[data-check]")) {
      checks[check.dataset.check] = [...check.querySelectorAll("b")].map((b) => +b.textContent);
    }
    const ends = {};
    for (const end of ["done", "failed", "discarded"]) ends[end] = number(end + "-items");
    return {
      checks,
      ends,
      status: text("status"),
      source: text("source-note"),
      phase: text("pause"),
      frames: number("frames"),
      broken: number("broken"),
    };
  })()`) as Look;
}

/** Waits until an expression of the page is true. The page's own policy forbids `waitForFunction`. */
export async function when(page: Page, expression: string): Promise<void> {
  await page.evaluate(`new Promise((resolve) => {
    const look = () => (${expression}) ? resolve() : requestAnimationFrame(look);
    look();
  })`);
}

/** The first figure of a sum, and what the others come to. */
export function sumsOf([whole, ...parts]: readonly number[]): [number, number] {
  return [whole!, parts.reduce((sum, part) => sum + part, 0)];
}

/** Controls without a name, ids that stand for nothing, text that is hard to read, small targets. */
export async function faultsOfAccess(page: Page): Promise<string[]> {
  return await page.evaluate(FAULTS) as string[];
}

const FAULTS = `(() => {
  const faults = [];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true });
  const title = (element) => element.tagName.toLowerCase() + (element.id && "#" + element.id) +
    " " + element.textContent.trim().slice(0, 30);
  if (document.documentElement.lang !== "en") faults.push("no language");
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");

  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  if (new Set(ids).size !== ids.length) faults.push("an id twice");
  for (const name of ["aria-labelledby", "aria-describedby", "for"]) {
    for (const element of document.querySelectorAll("[" + name + "]")) {
      const missing = element.getAttribute(name).split(" ").filter((id) => !ids.includes(id));
      if (missing.length > 0) faults.push(title(element) + ": " + name + " of nothing");
    }
  }
  for (const element of document.querySelectorAll("a, button, input, select, [tabindex], [role]")) {
    const name = element.getAttribute("aria-label") || element.textContent.trim() ||
      [...element.labels ?? []].map(({ textContent }) => textContent).join("");
    const silent = element.getAttribute("role") === "status";
    if (!name && !silent) faults.push(title(element) + ": no name");
    const { height } = element.getBoundingClientRect();
    const target = element.matches("a, button, select");
    if (shown(element) && target && height < 24) faults.push(title(element) + ": a small target");
  }

  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = rgb(getComputedStyle(each).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return rgb("Canvas");
  };
  let texts = 0;
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !shown(element) || element.closest("noscript, .hidden")) continue;
    texts++;
    const [a, b] = [light(rgb(getComputedStyle(element).color)), light(ground(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faults.push(title(element) + ": a contrast of " + contrast.toFixed(2));
  }
  if (texts < 50) faults.push("only " + texts + " texts");
  return faults;
})()`;
