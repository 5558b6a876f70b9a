/** Tests `examples/edge/log.ts` in workerd. */

import { assertEquals } from "@std/assert";
import { title } from "../../tools/runtimes.ts";
import { gate } from "../support/gate.ts";
import { test as register } from "../support/test.ts";
import { ask, deployed, logFile, origin, outbound, start, withFront } from "./edge.ts";

const { vars, ...config } = await deployed("log");
const worker = {
  ...config,
  file: logFile,
  outbound,
  vars: { ...vars, ORIGIN: "http://origin", LOGS: "http://origin/logs" },
};
const workers = withFront(worker);
const test = (name: string, body: () => Promise<void>) =>
  register(`edge log: ${name}, in ${title("workerd")}`, body);
const lines = [
  { event: "request", method: "GET", pathname: "/page" },
  { event: "response", status: 200 },
].map((line) => JSON.stringify(line)).join("\n");

test("the answer goes out before the log is sent in one batch", async () => {
  const sent = gate();
  const logged = gate<string>();
  await using upstream = origin(async (request) => {
    if (!request.url.endsWith("/logs")) return new Response("a page");
    logged.resolve(await request.text());
    await sent.promise;
    return new Response();
  });
  await using server = await start(workers, upstream.ports);
  assertEquals(await ask(`${server.urls.back}/page`), { status: 200, text: "a page" });
  assertEquals(await logged.promise, lines);
  sent.resolve();
  assertEquals(upstream.seen, ["GET /page", "POST /logs"]);
});

test("lines are sent again when they are refused once", async () => {
  const bodies: string[] = [];
  const twice = gate();
  await using upstream = origin(async (request) => {
    if (!request.url.endsWith("/logs")) return new Response("a page");
    if (bodies.push(await request.text()) === 1) return new Response("busy", { status: 503 });
    twice.resolve();
    return new Response();
  });
  await using server = await start(workers, upstream.ports);
  assertEquals((await ask(`${server.urls.back}/page`)).status, 200);
  await twice.promise;
  assertEquals(bodies, [lines, lines]);
});

test("the method, the query and the body of a request are passed on", async () => {
  await using upstream = origin(async (request) => {
    if (request.url.endsWith("/logs")) return new Response();
    const { method, url } = request;
    return new Response(`${method} ${new URL(url).search} ${await request.text()}`);
  });
  await using server = await start(workers, upstream.ports);
  const url = `${server.urls.back}/page?of=1`;
  assertEquals((await ask(url, { method: "PUT", body: "text" })).text, "PUT ?of=1 text");
});

test("an unreachable origin gives a 502 and a line", async () => {
  const logged = gate<string>();
  await using upstream = origin(async (request) => {
    logged.resolve(await request.text());
    return new Response();
  });
  const nowhere = { ...worker, vars: { ...worker.vars, ORIGIN: "nowhere" } };
  await using server = await start({ back: nowhere }, upstream.ports);
  assertEquals(await ask(`${server.urls.back}/page`), { status: 502, text: "Bad gateway" });
  const events = (await logged.promise).split("\n").map((line) => JSON.parse(line).event);
  assertEquals(events, ["request", "failure"]);
});

test("the lines are sent although the client left before the answer", async () => {
  const page = gate<Response>();
  const asked = gate();
  const logged = gate<string>();
  await using upstream = origin(async (request) => {
    if (request.url.endsWith("/logs")) {
      logged.resolve(await request.text());
      return new Response();
    }
    asked.resolve();
    return await page.promise;
  });
  await using server = await start(workers, upstream.ports);
  const client = ask(`${server.urls.front}/page`);
  await asked.promise;
  upstream.leave.resolve();
  assertEquals((await client).text, "Error: left");
  page.resolve(new Response("a page"));
  assertEquals(await logged.promise, lines);
});
