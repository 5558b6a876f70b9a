/**
 * The page of `play` in a real Chromium: every slider and button by keyboard, the bounds and the sums as
 * they stand on the screen, the code to paste, the replay, both colour schemes and a phone.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { codeOf } from "../../site/play/code.ts";
import { EXPERIMENTS } from "../../site/play/experiments.ts";
import { DEFAULTS, format, parse, SETTINGS } from "../../site/play/settings.ts";
import { deno } from "../../tools/run.ts";
import { BUILT, FAST, holds, scene, STUCK, until } from "./browser/play_scene.ts";
import { faultsOfAccess, type Look, look, sumsOf, when } from "./browser/play_screen.ts";

scene("each slider goes by the keyboard, and the address has its value", {}, async (page) => {
  for (const { name, min, max, step, show } of SETTINGS) {
    const slider = page.locator(`#${name}`);
    await slider.focus();
    for (
      const [key, value] of [["End", max], ["ArrowLeft", max - step], ["Home", min]] as const
    ) {
      await page.keyboard.press(key);
      assertEquals(await page.locator(`#${name}-value`).textContent(), show(value), name);
      assertEquals(await slider.getAttribute("aria-valuetext"), show(value));
      assertEquals(parse(new URL(page.url()).hash)[name], value);
      holds(await look(page));
    }
    await slider.press("ArrowRight");
  }
  const shared = new URL(page.url()).hash;
  await page.reload();
  assertEquals(new URL(page.url()).hash, shared);
  assertEquals(await page.locator("#handlerTime").inputValue(), "100");
});

scene("the sums and bounds hold on the screen at every look", FAST, async (page) => {
  const { ends } = await until(page, ({ ends }) => ends.done! > 150 && ends.failed! > 0);
  assertEquals(ends.discarded, 0);
  await page.locator("#concurrency").focus();
  for (const key of ["End", "Home", "PageUp"]) {
    const { checks: { sink } } = await look(page);
    await page.keyboard.press(key);
    await until(page, ({ checks }) => checks.sink![0]! > sink![0]! + 5);
  }
});

scene("a full queue slows the source down", STUCK, async (page) => {
  const { checks, source } = await until(page, ({ source }) => /slowed down/.test(source));
  assertEquals(checks.waiting, [3, 3]);
  assertEquals(checks.running, [3, 3]);
  assertMatch(source, /offers 200\/s/);
  const status = page.locator("#status");
  await when(page, `/slowed down/.test(${TEXT("status")})`);
  assertEquals(await status.getAttribute("role"), "status");
});

scene("pause starts no handler, and resume goes on", FAST, async (page) => {
  await until(page, ({ checks }) => checks.sink![0]! > 3);
  await page.keyboard.press("p");
  const paused = await until(page, ({ checks }) => checks.running![0] === 0);
  assertEquals(paused.phase, "Resume");
  const full = await until(page, ({ checks }) => checks.waiting![0] === FAST.capacity);
  assertEquals(full.ends, paused.ends);
  await page.locator("#pause").press("Enter");
  await until(page, ({ ends }) => ends.done! > full.ends.done! + 50);
});

scene("abort discards what waits and what runs, at once", STUCK, async (page) => {
  const before = await until(page, ({ checks }) => checks.waiting![0] === 3);
  assertEquals(before.ends.done, 0);
  await page.locator("#abort").press("Enter");
  // What was in a pipe is told a moment later.
  const over = ({ ends, checks }: Look) => ends.discarded! > 0 && checks.items![1] === 0;
  const after = await until(page, over);
  const [, waiting, running, done, failed, discarded] = after.checks.sink!;
  assertEquals([waiting, running, done, failed], [0, 0, 0, 0]);
  assert(discarded! >= 6, `${discarded} batches`);
  // All but a batch and an item that were in a pipe are told to one of the two `onDiscard`.
  let figures: number[] = [];
  await until(page, ({ status, checks }) => {
    figures = [...status.matchAll(/\d+/g)].map(([digits]) => Number(digits));
    return /^Aborted/.test(status) && sumsOf([0, ...figures])[1] === checks.items![0];
  });
  const [told, untold = 0] = figures;
  assertEquals(told, after.ends.discarded);
  assert(untold <= STUCK.maxItems + 1, `${untold} in a pipe`);
  await page.keyboard.press("r");
  await until(page, ({ checks }) => checks.running![0] === 3 && checks.sink![5] === 0);
});

scene("close drains: every accepted item ends", { ...FAST, concurrency: 1 }, async (page) => {
  await until(page, ({ checks }) => checks.waiting![0]! > 0);
  await page.keyboard.press("c");
  const closed = await until(page, ({ status }) => /^Closed/.test(status));
  assertEquals(closed.ends.discarded, 0);
  assertEquals(closed.ends.done! + closed.ends.failed!, closed.checks.items![0]);
  assertEquals(closed.checks.items![1], 0);
  assert(await page.locator("#abort").isDisabled());
});

scene("a rate limit and a linger of 0 keep their bounds", {
  ...FAST,
  rateLimit: 4,
  linger: 0,
  capacity: 0,
}, async (page) => {
  await until(page, ({ checks }) => checks.sink![0]! > 8);
});

scene("each experiment starts with its settings, and says what to see", {}, async (page) => {
  for (const { name, settings, see } of EXPERIMENTS) {
    await page.getByRole("link", { name }).press("Enter");
    await when(page, `${TEXT("see")} === ${JSON.stringify(see)}`);
    assertEquals(parse(new URL(page.url()).hash), settings);
    await until(page, ({ checks }) => checks.items![0]! > 5);
  }
});

scene(
  "what is copied type-checks and runs",
  { ...FAST, rate: 200, rateLimit: 20 },
  async (page) => {
    await page.locator("#copy").press("Enter");
    await when(page, `/^Copied/.test(${TEXT("copied")})`);
    const code = await page.evaluate("navigator.clipboard.readText()") as string;
    assertEquals(code, codeOf(parse(new URL(page.url()).hash)));
    await runs(code);
  },
);

scene("a path is replayed step by step, and goes on by choice", {}, async (page) => {
  const rows = page.locator("#steps tr");
  await when(page, "document.querySelectorAll('#steps tr').length === 1");
  for (const shown of [2, 3, 4]) {
    await page.keyboard.press("n");
    assertEquals(await rows.count(), shown);
  }
  const last = await rows.nth(3).locator("td").allTextContents();
  assertEquals(last, ["done 0 & abort", "3", "0", "1", "1", "0", "1", last[7]!]);
  assertEquals(last[7], "1 done, 2 running, 3 discarded");
  assertMatch(await page.locator("#verdict").innerText(), /^The model agrees/);
  const path = 'deno task explore --only fanout --path "push, push, push, done 0 & abort"';
  assertEquals(await page.locator("#command").textContent(), path);

  await page.locator("#exploration").selectOption("fanout-retry");
  await when(page, `/retry: 0/.test(${TEXT("made-with")})`);
  assertEquals(await rows.count(), 0);
  assert(await page.locator("#choices").getByRole("button", { name: "done 0" }).isDisabled());
  for (const [event, count] of [["push", 1], ["fails 0", 2], ["abort", 3]] as const) {
    await page.locator("#choices").getByRole("button", { name: event, exact: true }).press("Enter");
    await when(page, `document.querySelectorAll('#steps tr').length === ${count}`);
  }
  assertEquals(await page.locator("#verdict").getAttribute("data-verdict"), "holds");
});

for (const colorScheme of ["light", "dark"] as const) {
  scene(`labels, roles and contrast, ${colorScheme}`, STUCK, async (page) => {
    await until(page, ({ checks }) => checks.waiting![0] === 3);
    await page.keyboard.press("n");
    assertEquals(await faultsOfAccess(page), []);
    await page.locator("#abort").click();
    await until(page, ({ ends }) => ends.discarded! > 0);
    assertEquals(await faultsOfAccess(page), []);
  }, { colorScheme });
}

scene("every control is reached by Tab, and shows its focus", STUCK, async (page) => {
  await when(page, "document.querySelectorAll('#steps tr').length === 1");
  const controls = await page.evaluate(`(() => {
    const all = [...document.querySelectorAll("a, button:not(:disabled), input, select, [tabindex]")];
    all.forEach((each, n) => each.dataset.nth = n);
    return all.filter(({ type, checked }) => type !== "radio" || checked).length;
  })()`) as number;
  const reached = new Set<unknown>();
  for (let n = 0; n < controls; n++) {
    await page.keyboard.press("Tab");
    const [nth, width] = await page.evaluate(`(() => {
      const { dataset: { nth } } = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return [nth, outlineStyle === "none" ? 0 : parseFloat(outlineWidth)];
    })()`) as [string, number];
    reached.add(nth);
    assert(width >= 2, `the focus of ${nth} can't be seen`);
  }
  assertEquals(reached.size, controls);
});

scene("with reduced motion there are figures and no dots", FAST, async (page) => {
  await until(page, ({ ends }) => ends.done! > 50);
  assert(!await page.locator("#dots").isVisible());
}, { reducedMotion: "reduce" });

scene("a phone shows all of it without scrolling sideways", FAST, async (page) => {
  await until(page, ({ ends }) => ends.done! > 20);
  await page.locator("#last").click();
  const [inner, scroll] = await page.evaluate(
    "[innerWidth, document.documentElement.scrollWidth]",
  ) as [number, number];
  assert(scroll <= inner, `${scroll} pixels wide`);
  assertEquals(await faultsOfAccess(page), []);
}, { viewport: { width: 390, height: 844 } });

Deno.test("play: the code of the slowest and of the plainest settings runs", async () => {
  await runs(codeOf({ ...FAST, rate: 200, capacity: 0, maxItems: 1, concurrency: 12, linger: 0 }));
});

Deno.test("play: an address that is wrong takes what it can", () => {
  assertEquals(parse("#rate=x&linger=99999&maxItems=2.4&other=1"), {
    ...DEFAULTS,
    linger: 2000,
    maxItems: 2,
  });
  assertEquals(parse(format(DEFAULTS)), DEFAULTS);
});

Deno.test("play: a port in use is one line", async () => {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    return new Response();
  });
  const { port } = server.addr;
  const { success, output } = await deno(["run", "-A", "tools/play.ts", "--port", `${port}`]);
  assert(!success);
  assertMatch(output, new RegExp(`^Port ${port} is in use\\..*\\n$`));
});

/** Type-checks and runs a program in Deno. */
async function runs(code: string): Promise<void> {
  const path = `${BUILT}/pasted.ts`;
  await Deno.writeTextFile(path, code);
  const { success, output } = await deno(["run", "--check", path]);
  assert(success, output);
  assertMatch(output, /accepted: \d+,\s+waiting: 0,\s+running: 0/);
}

/** The text of an element, as an expression of the page. */
function TEXT(id: string): string {
  return `document.getElementById(${JSON.stringify(id)}).textContent`;
}
