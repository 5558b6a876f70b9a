/** Tests `examples/edge/coalesce.ts` in workerd, with concurrent requests. */

import { assertEquals } from "@std/assert";
import { title } from "../../tools/runtimes.ts";
import { gate } from "../support/gate.ts";
import { test as register } from "../support/test.ts";
import { ask, came, deployed, file, origin, outbound, post, start, withFront } from "./edge.ts";
import { SETTINGS } from "./workerd.ts";

const { vars, ...config } = await deployed("coalesce");
const worker = {
  ...config,
  file,
  outbound,
  vars: { ...vars, ROLE: "coalesce", ORIGIN: "http://origin" },
};

for (const [setting, flags] of Object.entries(SETTINGS)) {
  const workers = withFront({ ...worker, flags: [...worker.flags ?? [], ...flags] });
  const test = (name: string, body: () => Promise<void>) =>
    register(`edge coalesce: ${name}, ${setting}, in ${title("workerd")}`, body);

  test("a hundred requests share one fetch, and each gets its own response", async () => {
    const page = gate<Response>();
    await using upstream = origin(() => page.promise);
    await using server = await start(workers, upstream.ports);
    const url = `${server.urls.back}/page?of=1`;
    const all = Array.from({ length: 100 }, () => fetch(url));
    await came(server.urls.back, 100);
    page.resolve(
      new Response("a page", {
        status: 404,
        headers: { "content-type": "text/x", "set-cookie": "a=b" },
      }),
    );
    for (const response of await Promise.all(all)) {
      const { status, headers } = response;
      assertEquals([status, headers.get("content-type"), headers.get("set-cookie")], [
        404,
        "text/x",
        null,
      ]);
      assertEquals(await response.text(), "a page");
    }
    assertEquals(upstream.seen, ["GET /page"]);
  });

  test("the others get the page when the first client leaves", async () => {
    const page = gate<Response>();
    await using upstream = origin(() => page.promise);
    await using server = await start(workers, upstream.ports);
    const { back, front } = server.urls;
    const first = ask(`${front}/page`);
    await came(back, 1);
    const others = [1, 2, 3].map(() => ask(`${back}/page`));
    await came(back, 4);
    upstream.leave.resolve();
    assertEquals((await first).text, "Error: left");
    page.resolve(new Response("a page"));
    assertEquals(await Promise.all(others), Array(3).fill({ status: 200, text: "a page" }));
    assertEquals(upstream.seen, ["GET /page"]);
  });

  test("the fetch is aborted when all clients have left, and the next one starts again", async () => {
    const gone = gate();
    let fetched = 0;
    await using upstream = origin(({ signal }) => {
      if (++fetched > 1) return new Response("a page");
      signal.addEventListener("abort", () => gone.resolve());
      return gate<Response>().promise;
    });
    await using server = await start(workers, upstream.ports);
    const { back, front } = server.urls;
    const clients = [1, 2].map(() => ask(`${front}/page`));
    await came(back, 2);
    upstream.leave.resolve();
    await gone.promise;
    await Promise.all(clients);
    assertEquals(await ask(`${back}/page`), { status: 200, text: "a page" });
    assertEquals(upstream.seen, ["GET /page", "GET /page"]);
  });

  test("the query and the cache time are passed on", async () => {
    await using upstream = origin(({ url }) =>
      new Response(new URL(url).search, { headers: { "cache-control": "max-age=5" } })
    );
    await using server = await start(workers, upstream.ports);
    for (const search of ["?of=1", "?of=2"]) {
      const response = await fetch(`${server.urls.back}/page${search}`);
      assertEquals(response.headers.get("cache-control"), "max-age=5");
      assertEquals(await response.text(), search);
    }
  });

  test("an answer without a body, and a request other than GET, come through", async () => {
    await using upstream = origin(() => new Response(null, { status: 204 }));
    await using server = await start(workers, upstream.ports);
    assertEquals(await ask(`${server.urls.back}/page`), { status: 204, text: "" });
    assertEquals((await post(`${server.urls.back}/page`)).status, 405);
    // No request can reach another host.
    assertEquals((await ask(`${server.urls.back}//elsewhere.example/page`)).status, 204);
    assertEquals(upstream.seen, ["GET /page", "GET //elsewhere.example/page"]);
  });
}

register(`edge coalesce: an origin that is down is a 502, in ${title("workerd")}`, async () => {
  const { port } = await closedPort();
  await using server = await start({ back: worker }, { origin: port });
  assertEquals((await ask(`${server.urls.back}/page`)).status, 502);
});

async function closedPort(): Promise<{ port: number }> {
  const server = Deno.serve({ port: 0, onListen() {} }, () => new Response());
  await server.shutdown();
  return server.addr;
}
