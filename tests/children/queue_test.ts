/**
 * Tests the Worker of `examples/recipes/cloudflare_queues.ts`, whose `queue` is called in workerd.
 */

import { assertEquals } from "@std/assert";
import { stop } from "esbuild";
import { bundle } from "../../tools/hosts/bundle.ts";
import { title } from "../../tools/runtimes.ts";
import { test } from "../support/test.ts";
import { ask, origin, outbound } from "./edge.ts";
import { EXTRA_HANDLERS, serve } from "./workerd.ts";

const HOME = ".build/queue";

test(`recipe Cloudflare Queues: each message is settled separately, in ${title("workerd")}`, async () => {
  await Deno.mkdir(HOME, { recursive: true });
  await bundle("tests/children/queue_worker.ts", `${HOME}/front.js`);
  await bundle("examples/recipes/cloudflare_queues.ts", `${HOME}/back.js`);
  await stop();

  const letters: unknown[] = [];
  await using upstream = origin(async (request) => {
    const order = await request.json();
    if (request.url.endsWith("/letters")) letters.push(order);
    return new Response(null, { status: order.id === "broken" ? 500 : 200 });
  });
  const vars = { SHOP: "http://origin/shop", DEAD_LETTERS: "http://origin/letters" };
  await using server = await serve(HOME, {
    front: { file: "front.js", flags: [EXTRA_HANDLERS], services: { BACK: "back" } },
    back: { file: "back.js", outbound, vars },
  }, upstream.ports);

  const message = (id: string, attempts: number) => ({
    id: `${id} ${attempts}`,
    body: { id },
    attempts,
  });
  const messages = [message("a", 1), message("broken", 2), message("b", 3), message("broken", 4)];
  const body = JSON.stringify(messages);
  const { text } = await ask(server.urls.front, { method: "POST", body });
  assertEquals(JSON.parse(text), {
    outcome: "ok",
    ackAll: false,
    retryBatch: { retry: false },
    explicitAcks: ["a 1", "b 3", "broken 4"],
    retryMessages: [{ msgId: "broken 2", delaySeconds: 2 }],
  });
  assertEquals(letters, [
    { order: { id: "broken" }, error: "Error: http://origin/shop answers 500" },
  ]);
});
