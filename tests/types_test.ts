/**
 * The types that compilers infer for results, checked with values. `tests/consumer/types.mts` has
 * the rest.
 */

import { assertEquals } from "@std/assert";
import { Aggregator, BatchStream, Fanout, MapStream, Singleflight } from "../mod.ts";
import { rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";

class NotFound extends Error {}

class Users extends Aggregator<number, Promise<Array<string | Error>>> {
  name(id: number): Promise<string> {
    return this.submit(id);
  }
}

test("Aggregator.submit() has the awaited type of an entry, without errors [7.18]", async () => {
  const users = new Aggregator(
    (ids: number[]) => ids.map((id) => id > 0 ? Promise.resolve(`user ${id}`) : new NotFound("no")),
    { linger: 0 },
  );
  const [ada, none] = [users.submit(1), rejection(users.submit(-1))];
  const name: string = await ada;
  assertEquals([name, await none instanceof NotFound], ["user 1", true]);
});

test("Aggregator can be extended, and its instances have its class [7.18] [5.16]", async () => {
  const users = new Users(async (ids) => await Promise.resolve(ids.map(String)), { linger: 0 });
  assertEquals(await users.name(1), "1");
  assertEquals([users instanceof Aggregator, users.stats.batches], [true, 1]);
  assertEquals([Aggregator, Fanout, MapStream].map(({ name }) => name), [
    "Aggregator",
    "Fanout",
    "MapStream",
  ]);
});

test("Fanout.submit(), a MapStream and a function of Singleflight.wrap() have the awaited type [7.18]", async () => {
  const some = (id: number) => id > 0 ? "now" as const : Promise.resolve(id);
  const fanout = new Fanout(some);
  const shared = Singleflight.wrap(some, { key: (id) => id });
  const mapped = MapStream.from([1, -1], some).getReader();
  const results: Array<"now" | number | undefined> = [];
  for (const id of [1, -1]) {
    results.push(await fanout.submit(id), (await mapped.read()).value, await shared(id));
  }
  assertEquals(results, ["now", "now", "now", -1, -1, -1]);
});

test("from() and consume() with flatten take arrays, and have the type of their items [4.19] [7.18]", async () => {
  const pages: readonly (readonly string[])[] = [["1", "2"]];
  const batches: ReadableStream<string[]> = BatchStream.from(pages, { flatten: true });
  const lengths: ReadableStream<number> = MapStream.from(pages, (text) => text.length, {
    flatten: true,
  });
  const mixed: ReadableStream<number | string> = MapStream.from(
    pages,
    (text: string) => text === "1" ? Promise.resolve(1) : text,
    { flatten: true },
  );
  const whole: ReadableStream<(readonly string[])[]> = BatchStream.from(pages, { flatten: false });
  await using texts = new Fanout((_: string) => {});
  await texts.consume(pages, { flatten: true });
  // @ts-expect-error Without it the pages are the items.
  const wrong = texts.consume(pages);
  // @ts-expect-error They are no arrays.
  const flat = BatchStream.from(["1"], { flatten: true }).getReader();
  const results = [];
  for (const stream of [batches, lengths, mixed, whole]) {
    results.push((await (stream as ReadableStream<unknown>).getReader().read()).value);
  }
  assertEquals(results, [["1", "2"], 1, 1, [["1", "2"]]]);
  await wrong;
  const { name } = await flat.read().then(() => new Error(), (error: Error) => error);
  assertEquals(name, "TypeError");
});
