/**
 * Tests which objects a Cloudflare Worker may make at the top of its module, and which its requests
 * may share.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { stop } from "esbuild";
import { title } from "../../tools/runtimes.ts";
import { bundle } from "../../tools/hosts/bundle.ts";
import { gate } from "../support/gate.ts";
import { serve, SETTINGS } from "./workerd.ts";

const HOME = ".build/isolate";
const LIMIT = 20_000;
const FLIGHTS = [
  "Singleflight.do",
  "Singleflight.do with a signal",
  "Singleflight.doShared",
  "Singleflight with clone",
  "Singleflight with cache",
];
const SHARED = [
  ...FLIGHTS,
  "Fanout with free slots",
  "Fanout at its concurrency",
  "Aggregator, linger 0",
  "Aggregator, linger 50",
  "RateLimit",
];
const SHAREABLE = [...FLIGHTS, "Fanout with free slots"];
/** They set a timer, which belongs to one request. */
const OF_A_REQUEST = ["a timer", "a call that is throttled"];

Deno.test(`A Worker makes and shares objects as docs/edge.md says in ${title("workerd")}`, async (t) => {
  await Deno.mkdir(HOME, { recursive: true });
  await bundle("tests/children/isolate_worker.ts", `${HOME}/worker.js`);
  await stop();
  let fetched = 0;
  let page = gate();
  page.resolve();
  await using origin = Deno.serve({ port: 0, onListen() {} }, async () => {
    fetched++;
    await page.promise;
    return new Response("page");
  });
  await using server = await serve(
    HOME,
    Object.fromEntries(
      Object.entries(SETTINGS).map(([name, flags]) => [name, {
        file: "worker.js",
        flags,
        objects: { ROOM: "Room" },
        outbound: "origin",
      }]),
    ),
    { origin: origin.addr.port },
  );
  for (const [setting, url] of Object.entries(server.urls)) {
    const step = (name: string, body: () => Promise<void>) => t.step(`${name}, ${setting}`, body);
    await step("the top of a module makes each class, and sets no timer", async () => {
      const made = JSON.parse((await ask(`${url}/top`)).text);
      for (const [name, outcome] of Object.entries<string>(made)) {
        if (!OF_A_REQUEST.includes(name)) assertEquals(outcome, "made", name);
        else assertMatch(outcome, /Disallowed operation called within global scope/, name);
      }
    });
    await step("a request makes each class, and sets timers", async () => {
      const made = JSON.parse((await ask(`${url}/request`)).text);
      assertEquals(Object.keys(made).length > OF_A_REQUEST.length, true);
      for (const [name, outcome] of Object.entries(made)) assertEquals(outcome, "made", name);
    });
    await step("a request can't read a response that another request has fetched", async () => {
      const of = `${url}/response?of=${encodeURIComponent("http://origin/")}`;
      assertEquals(await ask(of), { status: 200, text: '"page"' });
      assertMatch((await ask(of)).text, /Cannot perform I\/O on behalf of a different request/);
    });
    await step("each request can read a response of the recipe", async () => {
      fetched = 0;
      page = gate();
      const of = `${url}/recipe?of=${encodeURIComponent("http://origin/")}`;
      const answers = [1, 2, 3].map(() => ask(of));
      while (Number((await ask(`${url}/came`)).text) < 3);
      page.resolve();
      const expected = { status: 200, text: "page" };
      assertEquals(await Promise.all(answers), [expected, expected, expected]);
      assertEquals(fetched, 1);
    });
    await step(
      "a throttle at the top of a module calls at once, and its timer ends with its request",
      async () => {
        await ask(`${url}/throttle`);
        await ask(`${url}/throttle`);
        assertEquals(JSON.parse((await ask(`${url}/calls`)).text), ["leading"]);
      },
    );
    for (const each of SHARED) {
      const path = `${url}/shared/${encodeURIComponent(each)}`;
      await step(
        `all requests that share one in a Durable Object are answered: ${each}`,
        async () => {
          const answers = await Promise.all([1, 2, 3].map(() => ask(`${path}?object`)));
          assertEquals(answers.map(({ status }) => status), [200, 200, 200]);
        },
      );
      const all = SHAREABLE.includes(each);
      const fate = all ? "all of them are answered" : "one of them gets a 500";
      await step(`when requests share one in a Worker, ${fate}: ${each}`, async () => {
        const answers = await Promise.all([1, 2, 3].map(() => ask(path)));
        assertEquals(answers.every(({ status }) => status === 200), all, JSON.stringify(answers));
        assert(answers.every(({ status }) => status === 200 || status === 500));
      });
    }
  }
});

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function ask(url: string): Promise<Answer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(LIMIT) });
  return { status: response.status, text: await response.text() };
}
