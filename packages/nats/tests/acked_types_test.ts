/** Tests the types of `acked`. */

import { assertEquals, assertThrows } from "@std/assert";
import { Aggregator, backoff, BatchStream, Fanout } from "../../../mod.ts";
import { acked, type Delivery, delivery } from "../delivery.ts";
import { test } from "../../../tests/support/test.ts";

interface Message extends Delivery<string> {
  readonly id: string;
}

function item<T>(value: T): Delivery<T> {
  return delivery(value, { ack() {}, nak() {} });
}

test("acked() keeps the types of a handler and of the options of its sink", async () => {
  const bare = new Fanout(acked(async (batch: Delivery<number>[]) => {
    await Promise.resolve();
    return batch.length;
  }));
  const length: number = await bare.submit([item(1)]);
  const work = acked(async (batch: Delivery<number>[], { signal, attempt }) => {
    await Promise.resolve();
    signal.throwIfAborted();
    return batch.map(({ value }) => value + attempt);
  });
  const batches = new Fanout(
    work,
    work.options({
      concurrency: 4,
      retry: backoff(),
      onError: (_error, batch) => batch.map(({ value }) => value.toFixed()),
      onDiscard: (batches: Delivery<number>[][]) =>
        batches.flatMap((batch) => batch.map(({ value }) => value.toFixed())),
      key: (batch) => batch[0]?.value.toFixed(),
    }),
  );
  const entries: number[] = await batches.submit([item(1)]);
  const rows = new Aggregator(
    work,
    work.options({
      maxItems: 10,
      linger: 0,
      retry: (_error, _attempt, items) => items.length,
      onError: (_error, items, batch) => [...items, ...batch].map(({ value }) => value.toFixed()),
      onDiscard: (items) => items.map(({ value }) => value.toFixed()),
      key: (item) => item.value.toFixed(),
    }),
  );
  const entry: number = await rows.submit(item(1));
  const single = acked((message: Message, { waited }) => [message.id, waited] as const, {
    maxDeliveries: 3,
    onPoison: (message, _error) => message.id,
    delay: (_error, deliveries) => deliveries,
  });
  const messages = new Fanout(single, single.options({ maxWait: 10, key: ({ id }) => id }));
  const pair: readonly [string, number | undefined] = await messages.submit(
    Object.assign(item("a"), { id: "7", deliveries: 1 }) as Message,
  );
  assertEquals([length, entries, entry, pair[0]], [1, [2], 2, "7"]);

  const plain = new Fanout(work, work.options());
  const other = new Aggregator(work, work.options());
  assertEquals([plain.tryPush([]), other.tryPush(item(1))], [true, true]);
  await other.close();

  const source = new ReadableStream<Delivery<number>>({
    start(controller) {
      controller.enqueue(item(1));
      controller.close();
    },
  });
  await source.pipeThrough(new BatchStream(100)).pipeTo(
    new Fanout(acked(
      (batch: Delivery<number>[]) => void batch.length,
    )),
  );
});

test("acked() does not compile with a handler of other items, or a sink with other items or hooks", () => {
  // @ts-expect-error A number is no delivery.
  acked((n: number) => n);
  // @ts-expect-error What has no nak is no delivery.
  acked((given: { value: number; ack(): void }) => given);
  // @ts-expect-error An array of numbers has no deliveries.
  acked((numbers: number[]) => numbers);
  const work = acked((given: Delivery<number>) => given.value);
  // @ts-expect-error Its items are no strings.
  work.options({ onError: (_error: unknown, given: Delivery<string>) => given });
  // @ts-expect-error No time.
  work.options({ retry: () => "soon" });
  // @ts-expect-error A count is a number.
  assertThrows(() => new Fanout(work, work.options({ concurrency: "4" })), TypeError);
  // @ts-expect-error There is no such option.
  assertThrows(() => new Fanout(work, work.options({ concurency: 4 })), TypeError);
  const fanout = new Fanout(work, work.options({ concurrency: 0 }));
  // @ts-expect-error It takes no numbers.
  fanout.tryPush(1);
  // @ts-expect-error It takes no batches.
  fanout.tryPush([item(1)]);
  // @ts-expect-error It takes no delivery of something else.
  fanout.tryPush(item("1"));
  const batches = acked((batch: Delivery<number>[]) => batch.length);
  const rows = new Aggregator(batches, batches.options({ linger: Infinity }));
  // @ts-expect-error Its items are deliveries.
  rows.tryPush([item(1)]);
  // @ts-expect-error Nor does it take the handler of a single one.
  assertEquals(typeof new Aggregator(work).tryPush, "function");
  const settings = { maxDeliveries: 1, onPoison: (given: Delivery<string>) => given };
  // @ts-expect-error What is poison is what the handler takes.
  acked((given: Delivery<number>) => given, settings);
});
