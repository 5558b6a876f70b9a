/** The rows of docs/migration.md, "dataloader": `DataLoader`, and `Aggregator` with `Singleflight`. */

import { assertEquals } from "@std/assert";
import DataLoader from "dataloader";
import { Aggregator, type AggregatorOptions, type FlightCache, Singleflight } from "../../mod.ts";
import { settled } from "../support/gate.ts";
import { test } from "../support/test.ts";
import { timed } from "../support/timed.ts";
import { ids, messageOf, same, turns } from "./migration.ts";

/** A table of users, which counts its queries, and has none of a negative id. */
class Table {
  readonly queries: number[][] = [];

  readonly loadMany = (keys: readonly number[]): Promise<Array<string | Error>> => {
    this.queries.push([...keys]);
    return Promise.resolve(keys.map((id) => id < 0 ? new Error(`no user ${id}`) : `user ${id}`));
  };
}

/** What the page shows: a loader of two parts. */
class Loader {
  readonly flights: Singleflight<number | string, string>;
  readonly batches: Aggregator<number, string>;

  constructor(
    table: Table,
    options?: AggregatorOptions<number>,
    cache?: FlightCache<number | string, string>,
  ) {
    this.flights = new Singleflight({ cache });
    this.batches = new Aggregator<number, Promise<Array<string | Error>>>(table.loadMany, {
      linger: 0,
      concurrency: 4,
      ...options,
    });
  }

  readonly load = (key: number): Promise<string> =>
    this.flights.do(key, () => this.batches.submit(key));
}

/** What the row of `prime` says. */
function prime(
  cache: Map<number | string, string>,
  flights: Singleflight<number | string, string>,
  id: number,
  user: string,
): void {
  if (!cache.has(id) && !flights.has(id)) cache.set(id, user);
}

/** Play with one table each. */
function both<O>(
  expected: O,
  original: (table: Table) => O | Promise<O>,
  ours: (table: Table) => O | Promise<O>,
): Promise<void> {
  return same(expected, () => original(new Table()), () => ours(new Table()));
}

test("migration dataloader: loader.load(id) -> Singleflight over submit", () =>
  both(
    { users: ["user 1", "user 2"], queries: [[1, 2]] },
    async (table) => {
      const loader = new DataLoader(table.loadMany);
      return {
        users: await Promise.all([loader.load(1), loader.load(2)]),
        queries: table.queries,
      };
    },
    async (table) => {
      const { load } = new Loader(table);
      return { users: await Promise.all([load(1), load(2)]), queries: table.queries };
    },
  ));

test("migration dataloader: loader.load(1), loader.load(1) -> Singleflight", () =>
  both(
    { users: ["user 1", "user 1", "user 2"], queries: [[1, 2]] },
    async (table) => {
      const loader = new DataLoader(table.loadMany);
      const users = await Promise.all([1, 1, 2].map((id) => loader.load(id)));
      return { users, queries: table.queries };
    },
    async (table) => {
      const { load } = new Loader(table);
      return { users: await Promise.all([1, 1, 2].map(load)), queries: table.queries };
    },
  ));

timed("migration dataloader: await session(); loader.load(id) -> linger: 1", async (clock) => {
  const session = async () => {
    for (let n = 0; n < 5; n++) await undefined;
  };
  const ask = (load: (id: number) => Promise<string>) =>
    Promise.all([load(1), session().then(() => load(2))]);
  await both(
    { users: ["user 1", "user 2"], queries: [[1, 2]] },
    async (table) => {
      const loader = new DataLoader(table.loadMany);
      return { users: await ask((id) => loader.load(id)), queries: table.queries };
    },
    async (table) => {
      const users = ask(new Loader(table, { linger: 1 }).load);
      await clock.tick(1);
      return { users: await users, queries: table.queries };
    },
  );
});

test("migration dataloader: await loader.loadMany(keys) -> Promise.all over load", () =>
  both(
    ["user 1", "no user -2", "user 3"],
    async (table) => {
      const found = await new DataLoader(table.loadMany).loadMany([1, -2, 3]);
      return found.map((user) => user instanceof Error ? user.message : user);
    },
    async (table) => {
      const { load } = new Loader(table);
      return await Promise.all(
        [1, -2, 3].map((id) => load(id).catch((error: Error) => error.message)),
      );
    },
  ));

test("migration dataloader: an Error at the place of a key -> the same", () =>
  both(
    ["user 1", "no user -2"],
    async (table) => {
      const loader = new DataLoader(table.loadMany);
      return await Promise.all([loader.load(1), messageOf(() => loader.load(-2))]);
    },
    async (table) => {
      const { load } = new Loader(table);
      return await Promise.all([load(1), messageOf(() => load(-2))]);
    },
  ));

test("migration dataloader: { maxBatchSize: 2 } -> { maxItems: 2 }", () =>
  both(
    [[1, 2], [3, 4], [5]],
    async (table) => {
      await new DataLoader(table.loadMany, { maxBatchSize: 2 }).loadMany(ids(5));
      return table.queries;
    },
    async (table) => {
      await Promise.all(ids(5).map(new Loader(table, { maxItems: 2 }).load));
      return table.queries;
    },
  ));

test("migration dataloader: { batch: false } -> { maxItems: 1 }", () =>
  both(
    [[1], [2], [3]],
    async (table) => {
      await new DataLoader(table.loadMany, { batch: false }).loadMany(ids(3));
      return table.queries;
    },
    async (table) => {
      await Promise.all(ids(3).map(new Loader(table, { maxItems: 1 }).load));
      return table.queries;
    },
  ));

test("migration dataloader: { cache: false } -> submit alone", () =>
  both(
    [[1, 1]],
    async (table) => {
      const loader = new DataLoader(table.loadMany, { cache: false });
      await Promise.all([loader.load(1), loader.load(1)]);
      return table.queries;
    },
    async (table) => {
      const { batches } = new Loader(table);
      await Promise.all([batches.submit(1), batches.submit(1)]);
      return table.queries;
    },
  ));

test("migration dataloader: the cache of a loader -> cache: new Map()", () =>
  both(
    { users: ["user 1", "user 1"], queries: [[1]] },
    async (table) => {
      const loader = new DataLoader(table.loadMany);
      return { users: [await loader.load(1), await loader.load(1)], queries: table.queries };
    },
    async (table) => {
      const { load } = new Loader(table, {}, new Map());
      return { users: [await load(1), await load(1)], queries: table.queries };
    },
  ));

test("migration dataloader: loader.clear(id) -> forget", () =>
  both(
    [[1, 2], [1]],
    async (table) => {
      const loader = new DataLoader(table.loadMany);
      await loader.loadMany([1, 2]);
      loader.clear(1);
      await loader.loadMany([1, 2]);
      return table.queries;
    },
    async (table) => {
      const { load, flights } = new Loader(table, {}, new Map());
      await Promise.all([1, 2].map(load));
      flights.forget(1);
      await Promise.all([1, 2].map(load));
      return table.queries;
    },
  ));

test("migration dataloader: loader.clearAll() -> clear", () =>
  both(
    [[1, 2], [1, 2]],
    async (table) => {
      const loader = new DataLoader(table.loadMany);
      await loader.loadMany([1, 2]);
      loader.clearAll();
      await loader.loadMany([1, 2]);
      return table.queries;
    },
    async (table) => {
      const { load, flights } = new Loader(table, {}, new Map());
      await Promise.all([1, 2].map(load));
      flights.clear();
      await Promise.all([1, 2].map(load));
      return table.queries;
    },
  ));

test("migration dataloader: loader.prime(id, user) -> cache.set", () =>
  both(
    { user: "Ada", queries: [] },
    async (table) => {
      const loader = new DataLoader(table.loadMany);
      loader.prime(1, "Ada");
      return { user: await loader.load(1), queries: table.queries };
    },
    async (table) => {
      const cache = new Map<number | string, string>();
      const { load, flights } = new Loader(table, {}, cache);
      prime(cache, flights, 1, "Ada");
      return { user: await load(1), queries: table.queries };
    },
  ));

test("migration dataloader, differs: prime keeps what is there or on its way, as the row's check does", () =>
  both(
    ["user 1", "user 1"],
    async (table) => {
      const loader = new DataLoader(table.loadMany);
      const running = loader.load(1);
      loader.prime(1, "old");
      const loaded = await running;
      loader.prime(1, "old");
      return [loaded, await loader.load(1)];
    },
    async (table) => {
      const cache = new Map<number | string, string>();
      const { load, flights } = new Loader(table, {}, cache);
      const running = load(1);
      prime(cache, flights, 1, "old");
      const loaded = await running;
      prime(cache, flights, 1, "old");
      return [loaded, await load(1)];
    },
  ));

test("migration dataloader: { cacheKeyFn } -> the key of do", () =>
  both(
    { users: ["user 1", "user 1"], queries: 1 },
    async (table) => {
      const loader = new DataLoader(
        (queries: readonly { id: number }[]) => table.loadMany(queries.map(({ id }) => id)),
        { cacheKeyFn: ({ id }) => id },
      );
      const users = await Promise.all([loader.load({ id: 1 }), loader.load({ id: 1 })]);
      return { users, queries: table.queries.length };
    },
    async (table) => {
      const flights = new Singleflight<number, string>();
      const batches = new Aggregator(
        (queries: { id: number }[]) => table.loadMany(queries.map(({ id }) => id)),
        { linger: 0 },
      );
      const load = (query: { id: number }) => flights.do(query.id, () => batches.submit(query));
      const users = await Promise.all([load({ id: 1 }), load({ id: 1 })]);
      return { users, queries: table.queries.length };
    },
  ));

test("migration dataloader: { cacheMap } -> { cache }", () =>
  both(
    { users: ["user 1", "user 1"], queries: 1, kept: 1 },
    async (table) => {
      const cacheMap = new Map<number, Promise<string>>();
      const loader = new DataLoader(table.loadMany, { cacheMap });
      const users = [await loader.load(1), await loader.load(1)];
      return { users, queries: table.queries.length, kept: cacheMap.size };
    },
    async (table) => {
      const cache = new Map<number | string, string>(); // of values, not of promises
      const { load } = new Loader(table, {}, cache);
      const users = [await load(1), await load(1)];
      return { users, queries: table.queries.length, kept: cache.size };
    },
  ));

timed("migration dataloader: { batchScheduleFn } with a timer -> linger", async (clock) => {
  const ask = async (load: (id: number) => Promise<string>) => {
    const first = load(1);
    await clock.tick(9);
    const users = Promise.all([first, load(2)]);
    await clock.tick(1);
    return await users;
  };
  await both(
    { users: ["user 1", "user 2"], queries: [[1, 2]] },
    async (table) => {
      const loader = new DataLoader(table.loadMany, {
        batchScheduleFn: (dispatch) => void setTimeout(dispatch, 10),
      });
      return { users: await ask((id) => loader.load(id)), queries: table.queries };
    },
    async (table) => {
      const { load } = new Loader(table, { linger: 10 });
      return { users: await ask(load), queries: table.queries };
    },
  );
});

test("migration dataloader, differs: it keeps a failure, and Singleflight does not", async () => {
  const table = new Table();
  const loader = new DataLoader(table.loadMany);
  await messageOf(() => loader.load(-1));
  await messageOf(() => loader.load(-1));
  assertEquals(table.queries, [[-1]]);
  table.queries.length = 0;
  const { load } = new Loader(table, {}, new Map());
  await messageOf(() => load(-1));
  await messageOf(() => load(-1));
  assertEquals(table.queries, [[-1], [-1]]);
});

test("migration dataloader, differs: a batch function that loads from its own loader may hang", async () => {
  const below = async (load: (level: number) => Promise<number>, levels: readonly number[]) =>
    await Promise.all(levels.map(async (level) => level === 0 ? 0 : await load(level - 1) + 1));
  const loader: DataLoader<number, number> = new DataLoader((ids) =>
    below((id) => loader.load(id), ids)
  );
  assertEquals(await loader.load(4), 4);
  const batches: Aggregator<number, number> = new Aggregator(
    (ids: number[]) => below((id) => batches.submit(id), ids),
    { linger: 0, concurrency: 4 },
  );
  assertEquals(await batches.submit(3), 3);
  const hangs = batches.submit(4);
  await turns(20);
  assertEquals([await settled(hangs), batches.stats.running], ["pending", 4]);
  await batches.abort();
});

test("migration dataloader, differs: it starts any number of queries, an Aggregator as many as you say", async () => {
  let [running, most] = [0, 0];
  const slow = async (keys: readonly number[]) => {
    most = Math.max(most, ++running);
    await turns();
    running--;
    return keys.map((id) => `user ${id}`);
  };
  await new DataLoader(slow, { maxBatchSize: 1 }).loadMany(ids(50));
  assertEquals(most, 50);
  most = 0;
  const batches = new Aggregator(slow, { maxItems: 1, concurrency: 4, capacity: 50 });
  await Promise.all(ids(50).map((id) => batches.submit(id)));
  assertEquals(most, 4);
});
