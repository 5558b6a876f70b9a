/**
 * Tests the recipe `examples/recipes/cloudflare_queues.ts`. A broker in memory plays the platform.
 */

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
// @ts-types="../../node_modules/@cloudflare/workers-types/index.ts"
import type { Message, MessageBatch, QueueRetryOptions } from "@cloudflare/workers-types";
import { withDeliveries } from "../../examples/recipes/cloudflare_queues.ts";
import { backoff, Fanout } from "../../mod.ts";
import { acked, type Delivery } from "../../packages/nats/delivery.ts";
import { check, MemoryBroker } from "../../packages/nats/memory.ts";
import { macrotask, turn } from "../support/gate.ts";
import { test as register } from "../support/test.ts";

const test = (name: string, body: () => Promise<void>) =>
  register(`recipe Cloudflare Queues: ${name}`, body);

/** A message of a batch, with its first settlement by the Worker. */
class Told implements Message<string> {
  readonly id: string;
  readonly body: string;
  readonly attempts: number;
  readonly timestamp: Date = new Date(0);
  said: "ack" | QueueRetryOptions | undefined;

  constructor(id: string, body: string, attempts: number) {
    this.id = id;
    this.body = body;
    this.attempts = attempts;
  }

  ack(): void {
    this.said ??= "ack";
  }

  retry(options: QueueRetryOptions = {}): void {
    this.said ??= options;
  }
}

function batchOf(messages: readonly Told[]): MessageBatch<string> {
  const each = (say: (message: Told) => void) => () => messages.forEach(say);
  const metadata = { metrics: { backlogCount: 0, backlogBytes: 0 } };
  return {
    messages,
    queue: "orders",
    metadata,
    ackAll: each((message) => message.ack()),
    retryAll: each((message) => message.retry()),
  };
}

const bodies = (...names: string[]) => names.map((name) => new Told(name, name, 1));

test("each message is settled separately, before the handler of the Worker returns", async () => {
  const messages = bodies("a", "b", "c", "d");
  await withDeliveries(batchOf(messages), async ([a, b, c, d]) => {
    await turn();
    a!.ack();
    b!.nak();
    c!.nak(1500);
    d!.nak(1e8);
    a!.nak(); // the first counts
  });
  const said = messages.map(({ said }) => said);
  assertEquals(said, ["ack", {}, { delaySeconds: 2 }, { delaySeconds: 43_200 }]);
});

test("unsettled messages are retried, and not acked by the platform", async () => {
  const messages = bodies("a", "b");
  await withDeliveries(batchOf(messages), ([a]) => Promise.resolve(a!.ack()));
  assertEquals(messages.map(({ said }) => said), ["ack", {}]);
});

test("the platform gets the error of the handler, and retries only unsettled messages", async () => {
  const messages = bodies("a", "b");
  const failure = new Error("no database");
  const given = withDeliveries(batchOf(messages), ([a]) => {
    a!.ack();
    return Promise.reject(failure);
  });
  assertStrictEquals(await assertRejects(() => given), failure);
  assertEquals(messages.map(({ said }) => said), ["ack", {}]);
});

test("messages are retried even if the handler throws before its first await", async () => {
  const messages = bodies("a");
  const failure = new Error("no database");
  const given = withDeliveries(batchOf(messages), () => {
    throw failure;
  });
  assertStrictEquals(await assertRejects(() => given), failure);
  assertEquals(messages.map(({ said }) => said), [{}]);
});

test("acked counts attempts as deliveries", async () => {
  const poison: unknown[] = [];
  const queue = (batch: MessageBatch<string>) =>
    withDeliveries(batch, async (deliveries) => {
      const work = acked((_: Delivery<Message<string>>) => Promise.reject(new Error("broken")), {
        maxDeliveries: 4,
        delay: () => 5000,
        onPoison: ({ value, deliveries }) => void poison.push([value.id, deliveries]),
      });
      const sink = new Fanout(work, work.options({ onError: () => {} }));
      await sink.consume(deliveries);
      await sink.close();
    });
  const messages = [3, 4].map((attempts) => new Told(`${attempts}`, "", attempts));
  await queue(batchOf(messages));
  assertEquals(messages.map(({ said }) => said), [{ delaySeconds: 5 }, "ack"]);
  assertEquals(poison, [["4", 4]]);
});

/** Makes a Worker handle the deliveries of a consumer in batches, as the platform does. */
async function serve(
  source: ReadableStream<Delivery<string>>,
  queue: (batch: MessageBatch<string>) => Promise<void>,
): Promise<void> {
  const reader = source.getReader();
  const read = () => {
    const reading = reader.read();
    reading.catch(() => {}); // after a crash, the next one reports it
    return reading;
  };
  for (let reading = read();;) {
    const next = await reading;
    if (next.done) return;
    const deliveries = [next.value];
    for (reading = read(); deliveries.length < 10; reading = read()) {
      const more = await Promise.race([reading, macrotask().then(() => undefined)]);
      if (!more || more.done) break;
      deliveries.push(more.value);
    }
    const messages = deliveries.map(({ value, deliveries }) => new Told(value, value, deliveries!));
    const failed = await queue(batchOf(messages)).then(() => false, () => true);
    messages.forEach(({ said = failed ? {} : "ack" }, index) => {
      const delivery = deliveries[index]!;
      if (said === "ack") delivery.ack();
      else delivery.nak((said.delaySeconds ?? 0) * 10); // a hundred times as fast
    });
  }
}

for (let seed = 1; seed <= 10; seed++) {
  test(`nothing is lost and each duplicate has its reason, with seed ${seed}`, async () => {
    using broker = new MemoryBroker<string>({
      seed,
      ackWait: 100,
      faults: { crash: 0.01, lostAck: 0.02, duplicate: 0.02, restart: 0.002 },
    });
    const count = 300;
    for (let n = 0; n < count; n++) broker.publish(`${n}`);
    const done = new Set<string>();
    let calls = 0;
    const invocation = (batch: MessageBatch<string>) =>
      withDeliveries(batch, async (deliveries) => {
        if (++calls % 7 === 0) throw new Error("no database");
        const work = acked(async ({ value: { body } }: Delivery<Message<string>>) => {
          await turn();
          if ((Number(body) * seed + calls) % 17 === 0) throw new Error("busy");
          done.add(body);
        });
        const retry = backoff({ attempts: 2, min: 1 });
        const sink = new Fanout(work, work.options({ concurrency: 3, retry, onError: () => {} }));
        await sink.consume(deliveries);
        await sink.close();
      });
    const drained = broker.close();
    await broker.run((source) => serve(source, invocation), { consumers: 3 });
    await drained;
    const report = check(broker.history);
    assertEquals([report.published, report.lost, report.unexplained], [count, [], []]);
    assertEquals(done.size, count);
  });
}
