/** Tests `examples/edge/aggregate.ts` in workerd, with concurrent requests. */

import { assert, assertEquals } from "@std/assert";
import { title } from "../../tools/runtimes.ts";
import { test as register } from "../support/test.ts";
import {
  type Answer,
  ask,
  came,
  deployed,
  file,
  origin,
  outbound,
  post,
  start as startWorkers,
  withFront,
} from "./edge.ts";
import type { Server } from "./workerd.ts";

/** Longer than the test: only full batches are stored. */
const FOR_EVER = 2147483647;
/** The size of a batch, as in the example. */
const MAX_ITEMS = 100;

const { vars, ...config } = await deployed("aggregate");
const totals = (answers: readonly Answer[]) =>
  answers.map(({ text }) => JSON.parse(text).total).sort((one, other) => one - other);
const upTo = (last: number, first = 1) =>
  Array.from({ length: last - first + 1 }, (_, n) => first + n);
const many = (url: string, count: number) =>
  Promise.all(Array.from({ length: count }, () => post(url)));

/** Starts workerd, again with the same data. */
type Start = (LINGER?: number, origin?: number) => Promise<Server<"back" | "front">>;

const test = (name: string, body: (start: Start) => Promise<void>) =>
  register(`edge aggregate: ${name}, in ${title("workerd")}`, async () => {
    // An object without storage has no SQLite.
    const disk = await Deno.makeTempDir({ prefix: "weir-" });
    try {
      await body(async (LINGER = FOR_EVER, origin = 1) => {
        const role = { ...vars, ROLE: "aggregate", LINGER };
        const worker = { ...config, file, outbound, vars: role, disk };
        return await startWorkers(withFront(worker), { origin });
      });
    } finally {
      await Deno.remove(disk, { recursive: true });
    }
  });

test("three hundred requests take three transactions, and each gets its own total", async (start) => {
  await using server = await start();
  const answers = await many(`${server.urls.back}/hits`, 3 * MAX_ITEMS);
  assertEquals(totals(answers), upTo(3 * MAX_ITEMS));
  const { text } = await ask(`${server.urls.back}/counts`);
  assertEquals(JSON.parse(text).transactions, 3);
});

test("a single request is stored when its linger is over", async (start) => {
  await using server = await start(Number(vars.LINGER));
  const { back } = server.urls;
  assertEquals(await post(`${back}/hits?by=7`), { status: 200, text: '{"total":7}' });
  assertEquals((await post(`${back}/hits?by=many`)).status, 400);
  assertEquals((await ask(`${back}/hits`)).status, 400);
  assertEquals((await post(`${back}/hits?by=-7`)).text, '{"total":0}');
});

test("the error of an impossible change reaches only its caller", async (start) => {
  await using server = await start();
  const { back } = server.urls;
  const wrong = post(`${back}/stock?by=-1000`);
  const right = await many(`${back}/stock`, MAX_ITEMS - 1);
  assertEquals(totals(right), upTo(MAX_ITEMS - 1));
  const { status, text } = await wrong;
  assertEquals(status, 409);
  assert(/^stock has \d+, not 1000$/.test(text), text);
});

test("a change beyond the exact integers is refused, and the total stays exact", async (start) => {
  await using server = await start(Number(vars.LINGER));
  const { back } = server.urls;
  const most = Number.MAX_SAFE_INTEGER;
  assertEquals((await post(`${back}/hits?by=${most}`)).text, `{"total":${most}}`);
  assertEquals(await post(`${back}/hits?by=2`), { status: 409, text: "hits is full" });
  assertEquals((await post(`${back}/hits?by=-1`)).text, `{"total":${most - 1}}`);
});

test("a client that leaves holds up no other, and its change is stored", async (start) => {
  await using upstream = origin(() => new Response());
  await using server = await start(FOR_EVER, upstream.ports.origin);
  const { back, front } = server.urls;
  const first = ask(`${front}/hits`, { method: "POST" });
  await came(back, 1);
  upstream.leave.resolve();
  assertEquals((await first).text, "Error: left");
  assertEquals(totals(await many(`${back}/hits`, MAX_ITEMS - 1)), upTo(MAX_ITEMS, 2));
});

test("requests in an open batch are lost when an object ends, and their callers get an error", async (start) => {
  await using server = await start();
  const { back } = server.urls;
  assertEquals(totals(await many(`${back}/hits`, MAX_ITEMS)), upTo(MAX_ITEMS));
  const waiting = many(`${back}/hits`, 3);
  await came(back, MAX_ITEMS + 3);
  await ask(`${back}/end`);
  assertEquals((await waiting).map(({ status }) => status), [500, 500, 500]);
  const next = await many(`${back}/hits`, MAX_ITEMS);
  assertEquals(totals(next), upTo(2 * MAX_ITEMS, MAX_ITEMS + 1));
});

test("only answered requests are stored after the machine has failed", async (start) => {
  const waiting: Promise<unknown>[] = [];
  {
    await using server = await start();
    const { back } = server.urls;
    assertEquals(totals(await many(`${back}/hits`, MAX_ITEMS)), upTo(MAX_ITEMS));
    for (let n = 0; n < 3; n++) waiting.push(post(`${back}/hits`).catch(() => "no answer"));
    await came(back, MAX_ITEMS + 3);
  }
  assertEquals(await Promise.all(waiting), Array(3).fill("no answer"));
  await using server = await start();
  const next = await many(`${server.urls.back}/hits`, MAX_ITEMS);
  assertEquals(totals(next), upTo(2 * MAX_ITEMS, MAX_ITEMS + 1));
});
