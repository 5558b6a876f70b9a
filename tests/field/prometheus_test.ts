/** Tests the recipe `examples/recipes/prometheus.ts` with the real prom-client. */

import { assertEquals } from "@std/assert";
import { Registry } from "prom-client";
import { register } from "../../examples/recipes/prometheus.ts";
import { Fanout, type SinkStats } from "../../mod.ts";
import { microtasks } from "../support/gate.ts";
import { Hand } from "../support/hand.ts";
import { test } from "../support/test.ts";

/** The scraped values that aren't 0, by name and label. */
async function scrape(registry: Registry): Promise<Record<string, number>> {
  const lines = (await registry.metrics()).split("\n").filter((line) => /^\w/.test(line));
  const values = lines.map((line): [string, number] => {
    const [, name, sink, value] = /^(\w+)\{weir_name="(\w+)"\} (\d+)$/.exec(line)!;
    return [`${name} ${sink}`, Number(value)];
  });
  return Object.fromEntries(values.filter(([, value]) => value !== 0));
}

test("recipe Prometheus: each scrape shows the stats of that moment", async () => {
  const registry = new Registry();
  const hand = new Hand<number>();
  const mails = new Fanout(hand.handler, { concurrency: 2, capacity: 1, onError: () => {} });
  register(registry, new Map([["mails", mails]]));
  for (let n = 0; n < 5; n++) mails.tryPush(n);
  const busy = {
    "weir_queue_waiting mails": 1,
    "weir_queue_running mails": 2,
    "weir_queue_accepted_total mails": 3,
    "weir_queue_refused_total mails": 2,
  };
  assertEquals(await scrape(registry), busy);
  assertEquals(await scrape(registry), busy);
  hand.call(0).resolve(0);
  hand.call(1).reject(new Error("busy"));
  await microtasks();
  hand.call(2).resolve(0);
  await mails.close();
  assertEquals(await scrape(registry), {
    "weir_queue_accepted_total mails": 3,
    "weir_queue_refused_total mails": 2,
    "weir_queue_done_total mails": 2,
    "weir_queue_failed_total mails": 1,
  });
});

test("recipe Prometheus: every number of the stats is registered, with its type and help", async () => {
  const registry = new Registry();
  register(registry, new Map());
  const metrics = await registry.getMetricsAsJSON();
  const { stats } = new Fanout(() => {});
  const names = metrics.map(({ name }) => name.replace(/^weir_queue_|_total$/g, ""));
  assertEquals(names.sort(), Object.keys(stats).sort());
  for (const { name, type, help } of metrics) {
    assertEquals(String(type), name.endsWith("_total") ? "counter" : "gauge");
    assertEquals(help.startsWith("Items "), true);
  }
});

test("recipe Prometheus: sinks come and go between scrapes", async () => {
  const registry = new Registry();
  const sinks = new Map<string, { readonly stats: SinkStats }>();
  register(registry, sinks);
  assertEquals(await scrape(registry), {});
  for (const name of ["a", "b"]) {
    const sink = new Fanout((n: number) => n);
    await sink.consume([1, 2]);
    sinks.set(name, sink);
  }
  const of = (name: string) => ({
    [`weir_queue_accepted_total ${name}`]: 2,
    [`weir_queue_done_total ${name}`]: 2,
  });
  assertEquals(await scrape(registry), { ...of("a"), ...of("b") });
  sinks.delete("a");
  assertEquals(await scrape(registry), of("b"));
});
