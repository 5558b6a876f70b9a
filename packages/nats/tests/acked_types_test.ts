/** What the types of `acked` say. */

import { assertEquals } from "@std/assert";
import { Aggregator, backoff, BatchStream, Fanout } from "../../../mod.ts";
import { acked, type Delivery, delivery } from "../delivery.ts";
import { test } from "../../../tests/support/test.ts";

interface Message extends Delivery<string> {
  readonly id: string;
}

function item<T>(value: T): Delivery<T> {
  return delivery(value, { ack() {}, nak() {} });
}

test("acked() keeps the types of a handler, and of the options of its sink", async () => {
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
