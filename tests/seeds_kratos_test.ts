/** The program that Kratos' `fanout` is for: a cache that is filled in the background. */

import { assertEquals } from "@std/assert";
import { Fanout } from "../mod.ts";
import { ids } from "./support/aggregating.ts";
import { gate, turn } from "./support/gate.ts";
import { counts, Hand } from "./support/hand.ts";
import { test } from "./support/test.ts";

/** Kratos: articles of a database, with a cache that a fanout fills in the background. */
class Articles {
  readonly cached = new Map<number, string>();
  readonly log: string[] = [];
  /** How often the database was asked. */
  asked = 0;
  readonly filling: Fanout<number, void>;

  constructor(fill: (id: number) => Promise<unknown> = turn, capacity = 1024) {
    this.filling = new Fanout(async (id: number) => {
      await fill(id);
      this.cached.set(id, `article ${id}`);
    }, {
      capacity,
      onError: (error, id) => void this.log.push(`not cached: ${id}, ${(error as Error).message}`),
    });
  }

  async read(id: number): Promise<string> {
    const known = this.cached.get(id);
    if (known !== undefined) return known;
    this.asked++;
    await turn(); // the database
    if (!this.filling.tryPush(id)) this.log.push(`not cached: ${id}, full`);
    return `article ${id}`;
  }
}

test("seed Kratos: a reader does not wait for the cache, and the next one is answered by it [5.0]", async () => {
  const slow = gate();
  const articles = new Articles(() => slow.promise);
  assertEquals(await articles.read(7), "article 7");
  assertEquals([articles.cached.size, articles.filling.stats.running], [0, 1]);
  slow.resolve();
  await articles.filling.idle();
  assertEquals(await articles.read(7), "article 7");
  assertEquals(articles.asked, 1);
  await articles.filling.close();
});

test("seed Kratos: when the queue is full the reader has its article, and the log says so [5.1] [5.39]", async () => {
  const { handler, calls } = new Hand<number>();
  const articles = new Articles((id) => handler(id, { signal: new AbortController().signal }), 2);
  for (const id of ids(1, 5)) assertEquals(await articles.read(id), `article ${id}`);
  assertEquals(articles.log, ["not cached: 4, full", "not cached: 5, full"]);
  assertEquals(articles.filling.stats.refused, 2);
  for (let n = 0; n < 3; n++) {
    calls[n]!.resolve(undefined);
    await turn();
  }
  assertEquals([...articles.cached.keys()], [1, 2, 3]);
  await articles.filling.close();
});

test("seed Kratos: a write to the cache that fails is logged, and the worker goes on [5.3]", async () => {
  const articles = new Articles(async (id) => {
    await turn();
    if (id === 2) throw new Error("connection reset");
  });
  await Promise.all(ids(1, 3).map((id) => articles.read(id)));
  await articles.filling.close();
  assertEquals(articles.log, ["not cached: 2, connection reset"]);
  assertEquals([...articles.cached.keys()], [1, 3]);
  assertEquals(articles.filling.stats, counts({ accepted: 3, done: 2, failed: 1 }));
});

test("seed Kratos: at shutdown every article that was accepted reaches the cache [5.5]", async () => {
  const articles = new Articles();
  await Promise.all(ids(1, 100).map((id) => articles.read(id)));
  await articles.filling.close();
  assertEquals([articles.cached.size, articles.log], [100, []]);
});
