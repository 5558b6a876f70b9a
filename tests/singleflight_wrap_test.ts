import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { Singleflight } from "../mod.ts";
import { test } from "./support/test.ts";
import { unhandled } from "./support/unhandled.ts";

test("Singleflight.wrap() shares calls of one key, with their arguments and this [6.9] [6.1]", async () => {
  const seen: unknown[] = [];
  const users = {
    host: "db",
    get: Singleflight.wrap(
      async function (this: { host: string }, id: number, field: string) {
        seen.push([this.host, id, field]);
        return await Promise.resolve(`${this.host}/${id}/${field}`);
      },
      {
        key(this: { host: string }, id: number) {
          return `${this.host} ${id}`;
        },
      },
    ),
  };
  const calls = [users.get(1, "name"), users.get(1, "mail"), users.get(2, "name")];
  assertEquals(await Promise.all(calls), ["db/1/name", "db/1/name", "db/2/name"]);
  assertEquals(seen, [["db", 1, "name"], ["db", 2, "name"]]);
});

test("Singleflight.wrap() rejects when the key or the function throws [6.5]", async () => {
  const error = new Error("thrown");
  const thrower = () => {
    throw error;
  };
  const badKey = Singleflight.wrap(() => 1, { key: thrower });
  const badFunction = Singleflight.wrap(thrower, { key: () => 1 });
  assertStrictEquals(await assertRejects(() => badKey()), error);
  assertStrictEquals(await assertRejects(() => badFunction()), error);
});

test("Singleflight.wrap() clones and caches as its options say [6.9] [6.2] [6.6]", async () => {
  const cache = new Map<number, { id: number }>();
  const clone = (value: { id: number }) => ({ ...value });
  let runs = 0;
  const get = Singleflight.wrap((id: number) => (runs++, { id }), {
    key: (id) => id,
    cache,
    clone,
  });
  const [first, second] = [await get(1), await get(1)];
  assertEquals([first, second, runs], [{ id: 1 }, { id: 1 }, 1]);
  assert(first !== second && first !== cache.get(1));
});

test("Singleflight.wrap() throws a TypeError without a function or a key [7] [F-04]", () => {
  assertThrows(() => Singleflight.wrap(undefined as never, { key: () => 1 }), TypeError);
  assertThrows(() => Singleflight.wrap(() => 1, {} as never), TypeError, '"key"');
  assertThrows(() => Singleflight.wrap(() => 1, undefined as never), TypeError, '"key"');
});

test("Singleflight.wrap() leaves nothing unhandled when its caller handles the rejection [6.8]", async () => {
  const fails = Singleflight.wrap(() => Promise.reject(new Error("down")), { key: () => 1 });
  assertEquals(await unhandled(() => fails().catch(() => {})), []);
});

test("Singleflight.wrap() leaves unhandled a rejection that its callers leave [6.8]", async () => {
  const error = new Error("down");
  const fails = Singleflight.wrap(() => Promise.reject(error), { key: () => 1 });
  assertEquals(await unhandled(() => void fails()), [error]);
});

test("Singleflight.wrap() adds its flight to the function, for forget and stats [6.9] [6.10]", async () => {
  let asked = 0;
  const cache = new Map<number, number>();
  const get = Singleflight.wrap((_id: number) => Promise.resolve(++asked), {
    key: (id) => id,
    cache,
  });
  assert(get.flight instanceof Singleflight);
  const calls = [get(7), get(7)];
  assertEquals([get.flight.has(7), get.flight.size], [true, 1]);
  assertEquals(await Promise.all(calls), [1, 1]);
  assertEquals(await get(7), 1);
  assert(get.flight.forget(7));
  assertEquals([await get(7), cache.get(7)], [2, 2]);
  assertEquals(get.flight.stats, { running: 0, executions: 2, shared: 1, hits: 1 });
  const other = Singleflight.wrap(() => 1, { key: () => 7 });
  assert(other.flight !== get.flight as unknown);
});
