/**
 * Tests that concurrent requests of a Cloudflare Worker share a flight, each in its own context.
 */

import { assertEquals } from "@std/assert";
import { stop } from "esbuild";
import { title } from "../../tools/runtimes.ts";
import { bundle } from "../../tools/hosts/bundle.ts";
import { NO_HANDLING, serve, SETTINGS } from "./workerd.ts";

const HOME = ".build/worker";
// workerd itself ends a hanging request within milliseconds.
const LIMIT = 20_000;

const SETTLED = "the second settles it";
const value = { "0": 1, "1": 2, "2": 3 };
const both = (given: object) => [given, given];

/** The answers to concurrent requests. */
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
  "three": [{ value }, { value }, { value }],
  "three with a signal": [{ value }, { value }, { value }],
  "three, and the request of the second ends first": [{ value }, { error: "Error: left" }, {
    value,
  }],
  "the first request ends first, under waitUntil": [{ value: "ended" }, { value }],
  [SETTLED]: both({ value: { value, shared: true } }),
};

const ABANDONED = "the first request ends first";
const WITH_SIGNAL = `${ABANDONED}, and the second has a signal`;

Deno.test(`Singleflight shares flights across requests in ${title("workerd")} [6.12]`, async (t) => {
  await Deno.mkdir(HOME, { recursive: true });
  await bundle("tests/children/worker.ts", `${HOME}/worker.js`);
  await stop();
  await using server = await serve(
    HOME,
    Object.fromEntries(
      Object.entries(SETTINGS).map(([name, flags]) => [name, { file: "worker.js", flags }]),
    ),
  );
  for (const [setting, url] of Object.entries(server.urls)) {
    const handled = !SETTINGS[setting]!.includes(NO_HANDLING);
    const at = (way: string) => `${url}/${encodeURIComponent(way)}`;
    for (const [way, told] of Object.entries(expected)) {
      // Without the flag, no request may wait for a promise that another one settles.
      if (way === SETTLED && !handled) continue;
      await t.step(`${way}, ${setting}`, async () => {
        const answers = await Promise.all(told.map(() => ask(at(way))));
        answers.sort((one, other) => Number(one.place) - Number(other.place));
        const numbered: unknown[] = told.map((each, place) => ({ place, ...each }));
        assertEquals<unknown>(answers, numbered);
      });
    }
    // Without the flag, a caller without a signal waits forever.
    for (const way of handled ? [ABANDONED, WITH_SIGNAL] : [WITH_SIGNAL]) {
      await t.step(`${way}: later ones start again by forgetAfter, ${setting}`, async () => {
        const answers = await Promise.all([ask(at(way)), ask(at(way))]);
        answers.sort((one, other) => Number(one.place) - Number(other.place));
        assertEquals(answers[0], { place: 0, value: "ended" });
        assertEquals(Object.keys(answers[1]!).includes("value"), false);
        let next = await ask(at(way));
        while (!("value" in next)) next = await ask(at(way));
        assertEquals(next.value, { "0": 4 });
      });
    }
  }
});

async function ask(url: string): Promise<Record<string, unknown>> {
  const response = await fetch(url, { signal: AbortSignal.timeout(LIMIT) });
  const text = await response.text();
  return response.ok ? JSON.parse(text) : { status: response.status, text };
}
