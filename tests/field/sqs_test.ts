/** Tests the recipe `examples/recipes/sqs.ts` with the client of SQS and a broker in memory. */

import type { Message } from "@aws-sdk/client-sqs";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type SqsSource, sqsSource, type SqsSourceOptions } from "../../examples/recipes/sqs.ts";
import { backoff, BatchStream, Fanout } from "../../mod.ts";
import { acked, type Delivery } from "../../packages/nats/delivery.ts";
import { check, MemoryBroker } from "../../packages/nats/memory.ts";
import { gate, settled, turn } from "../support/gate.ts";
import { test as register } from "../support/test.ts";
import { type Call, SqsQueue, URL } from "./sqs_queue.ts";

const test = (name: string, body: () => Promise<void>) => register(`recipe SQS: ${name}`, body);

/** A queue with some messages, and a source that receives them. */
class Setup implements AsyncDisposable {
  readonly broker = new MemoryBroker<string>();
  readonly queue: SqsQueue;
  readonly errors: unknown[] = [];
  readonly source: SqsSource;

  constructor(messages: number, options: Partial<SqsSourceOptions> = {}) {
    for (let n = 0; n < messages; n++) this.broker.publish(`${n}`);
    this.queue = new SqsQueue(this.broker.consumer({ maxMessages: 10 }).deliveries);
    this.source = sqsSource(this.queue.client, URL, {
      receivers: 1,
      onError: (error) => void this.errors.push(error),
      ...options,
    });
  }

  /** The calls of a name. */
  calls(name: string): Call[] {
    return this.queue.calls.filter((call) => call.name === name);
  }

  /** Reads a number of messages. */
  async take(count: number): Promise<Delivery<Message>[]> {
    const reader = this.source.readable.getReader();
    const taken: Delivery<Message>[] = [];
    while (taken.length < count) taken.push((await reader.read()).value!);
    reader.releaseLock();
    return taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.source.close();
    this.queue.close();
    this.broker[Symbol.dispose]();
    await turn();
  }
}

/** Waits until a condition holds. The test's own limit ends it. */
async function until(so: () => boolean): Promise<void> {
  while (!so()) await turn();
}

const bodies = (taken: readonly Delivery<Message>[]) => taken.map(({ value }) => value.Body);

test("the source asks for nothing before the first read, and then for ten at a time, by long polls", async () => {
  await using setup = new Setup(30);
  for (let turns = 0; turns < 10; turns++) await turn();
  assertEquals(setup.queue.calls, []);
  const taken = await setup.take(1);
  const [{ body }] = setup.calls("ReceiveMessage") as [Call];
  assertEquals(body, {
    QueueUrl: URL,
    MaxNumberOfMessages: 10,
    WaitTimeSeconds: 20,
    VisibilityTimeout: 30,
    MessageAttributeNames: ["All"],
    MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId"],
  });
  assertEquals([bodies(taken), taken[0]!.deliveries], [["0"], 1]);
});

test("the source holds no more than the bound, even with several receivers", async () => {
  await using setup = new Setup(100, { maxHeld: 25, receivers: 3 });
  const { queue } = setup;
  const taken = await setup.take(20);
  for (let turns = 0; turns < 30; turns++) await turn();
  assertEquals(queue.handles.length, 20); // ten more would be too many
  for (const delivery of taken) delivery.ack();
  await setup.take(20);
  assert(queue.handles.length <= 25);
});

test("ten acks go in a call, and only failed ones go again", async () => {
  await using setup = new Setup(25);
  const { queue } = setup;
  const once = new Set(["3", "14"]);
  queue.onEntry = (_, value) =>
    once.delete(value) ? { Code: "InternalError", Message: "busy" } : undefined;
  for (const delivery of await setup.take(25)) delivery.ack();
  await setup.broker.settled();
  const sizes = setup.calls("DeleteMessageBatch").map(({ entries }) => entries.length);
  assertEquals(sizes.slice(0, 3), [10, 10, 5]);
  assertEquals(sizes.slice(3).reduce((sum, size) => sum + size), 2);
  assertEquals([queue.handles, setup.errors], [[], []]);
});

test("messages that are not deleted yet still count", async () => {
  await using setup = new Setup(20, { maxHeld: 10 });
  const { queue } = setup;
  const again = gate();
  queue.onEntry = (_, value) =>
    value === "3" ? { Code: "InternalError", Message: "busy" } : undefined;
  const taken = await setup.take(10);
  queue.onCall = ({ name, entries }) =>
    name === "DeleteMessageBatch" && entries.length === 1 ? again.promise : undefined;
  for (const delivery of taken) delivery.ack();
  await until(() => setup.calls("DeleteMessageBatch").length === 2);
  const receives = setup.calls("ReceiveMessage").length;
  for (let turns = 0; turns < 20; turns++) await turn();
  assertEquals([queue.handles.length, setup.calls("ReceiveMessage").length], [1, receives]);
  queue.onEntry = () => undefined;
  again.resolve();
  assertEquals(bodies(await setup.take(1)), ["10"]);
});

test("an ack with a sender fault is reported and not sent again, and counts no more", async () => {
  await using setup = new Setup(1, { maxHeld: 10 });
  setup.queue.onEntry = (call) =>
    call.name === "DeleteMessageBatch"
      ? { Code: "ReceiptHandleIsInvalid", Message: "expired", SenderFault: true }
      : undefined;
  const [delivery] = await setup.take(1);
  delivery!.ack();
  await until(() => setup.errors.length > 0);
  assertEquals(String(setup.errors[0]), "Error: ReceiptHandleIsInvalid: expired");
  assertEquals(setup.calls("DeleteMessageBatch").length, 1);
  setup.broker.publish("next");
  assertEquals(bodies(await setup.take(1)), ["next"]);
});

test("a nak makes a message visible at once or after its delay, in whole seconds up to 12 hours", async () => {
  await using setup = new Setup(4);
  const [now, later, long, kept] = await setup.take(4);
  now!.nak();
  later!.nak(1500);
  long!.nak(24 * 60 * 60 * 1000);
  await until(() => setup.calls("ChangeMessageVisibilityBatch").length > 0);
  const [{ entries }] = setup.calls("ChangeMessageVisibilityBatch") as [Call];
  assertEquals(entries.map(({ VisibilityTimeout }) => VisibilityTimeout), [0, 2, 43_200]);
  const [again] = await setup.take(1);
  assertEquals([again!.value.Body, again!.deliveries], ["0", 2]);
  assertEquals(kept!.settled, false);
});

test("only messages that wait, run or are being deleted stay hidden", async () => {
  await using setup = new Setup(12, { visibility: 1 });
  const { queue } = setup;
  const deleting = gate();
  queue.onCall = ({ name }) => name === "DeleteMessageBatch" ? deleting.promise : undefined;
  const [done, failed, running] = await setup.take(3);
  await until(() => queue.handles.length === 12);
  const [doneHandle, failedHandle] = [done!, failed!].map(({ value }) => value.ReceiptHandle);
  done!.ack();
  failed!.nak(60_000);
  const extended = () =>
    setup.calls("ChangeMessageVisibilityBatch")
      .flatMap(({ entries }) => entries)
      .filter(({ VisibilityTimeout }) => VisibilityTimeout === 1)
      .map(({ ReceiptHandle }) => ReceiptHandle);
  await until(() => extended().length >= 11);
  assertEquals(new Set(extended()).size, 11);
  assert(extended().includes(doneHandle!) && !extended().includes(failedHandle!));
  deleting.resolve();
  running!.nak();
});

test("a message that is given back does not stay hidden with the others", async () => {
  await using setup = new Setup(20, { visibility: 1 });
  const { queue } = setup;
  const first = gate();
  const isExtending = ({ entries }: Call) => entries.some((entry) => entry.VisibilityTimeout === 1);
  queue.onCall = (call) => isExtending(call) ? first.promise : undefined;
  const taken = await setup.take(20);
  await until(() => queue.calls.some(isExtending));
  taken[15]!.nak(60_000);
  first.resolve();
  await until(() => queue.calls.filter(isExtending).length >= 2);
  const hidden = queue.calls.filter(isExtending).flatMap(({ entries }) => entries);
  assert(hidden.length >= 19);
  assert(hidden.every(({ ReceiptHandle }) => ReceiptHandle !== taken[15]!.value.ReceiptHandle));
});

test("a cancel gives back messages that were not read", async () => {
  await using setup = new Setup(10);
  const reader = setup.source.readable.getReader();
  const { value } = await reader.read();
  await until(() => setup.queue.handles.length === 10);
  await reader.cancel();
  assertEquals(setup.queue.handles, [value!.value.ReceiptHandle]);
  const given = setup.calls("ChangeMessageVisibilityBatch").flatMap(({ entries }) => entries);
  assertEquals(given.map(({ VisibilityTimeout }) => VisibilityTimeout), Array(9).fill(0));
});

test("at the end the stream closes, a waiting poll is not interrupted, and acks are sent", async () => {
  const stop = new AbortController();
  await using setup = new Setup(3, { signal: stop.signal });
  const { queue, source, broker } = setup;
  const taken = await setup.take(3);
  const polling = gate();
  queue.onCall = ({ name }) => name === "ReceiveMessage" ? polling.promise : undefined;
  const polls = setup.calls("ReceiveMessage").length;
  await until(() => setup.calls("ReceiveMessage").length > polls);
  stop.abort();
  assertEquals((await source.readable.getReader().read()).done, true);
  broker.publish("late");
  for (const delivery of taken) delivery.ack();
  const closed = source.close();
  assertEquals(await settled(closed), "pending");
  polling.resolve();
  await closed;
  // Messages of the last poll are given back, and the acks have arrived.
  assertEquals([queue.handles, broker.pending], [[], 1]);
});

test("messages that a poll brings after the end are given back at once", async () => {
  const stop = new AbortController();
  await using setup = new Setup(1, { signal: stop.signal });
  const { queue, broker } = setup;
  const [running] = await setup.take(1);
  const polling = gate();
  const polls = setup.calls("ReceiveMessage").length;
  queue.onCall = ({ name }) => name === "ReceiveMessage" ? polling.promise : undefined;
  await until(() => setup.calls("ReceiveMessage").length > polls);
  stop.abort();
  broker.publish("late");
  polling.resolve();
  await until(() => setup.calls("ChangeMessageVisibilityBatch").length > 0);
  await until(() => queue.handles.length === 1);
  running!.ack();
});

test("a failed call is reported, and the source goes on", async () => {
  await using setup = new Setup(1);
  const failure = new Error("no network");
  setup.queue.onCall = () => {
    setup.queue.onCall = () => {};
    throw failure;
  };
  const [delivery] = await setup.take(1);
  assertEquals([setup.errors, delivery!.value.Body], [[failure], "0"]);
});

test("an error of onError errors the stream", async () => {
  const denied = new Error("access denied");
  await using setup = new Setup(1, {
    onError: (error) => {
      throw error;
    },
  });
  setup.queue.onCall = () => Promise.reject(denied);
  assertEquals(await assertRejects(() => setup.source.readable.getReader().read()), denied);
});

test("poison goes to onPoison at its last delivery, and is deleted", async () => {
  await using setup = new Setup(3);
  const poison: unknown[] = [];
  const work = acked(({ value }: Delivery<Message>) => {
    if (value.Body === "1") throw new Error("broken");
  }, {
    maxDeliveries: 2,
    delay: () => 0,
    onPoison: ({ value, deliveries }, error) =>
      void poison.push([value.Body, deliveries, String(error)]),
  });
  const sink = new Fanout(work, work.options({ concurrency: 2, onError: () => {} }));
  const stop = new AbortController();
  const piped = setup.source.readable.pipeTo(sink, { signal: stop.signal });
  await setup.broker.settled();
  stop.abort();
  await assertRejects(() => piped);
  assertEquals(poison, [["1", 2, "Error: broken"]]);
});

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
    const drained = broker.close();
    const ends: Promise<void>[] = [];
    let calls = 0;

    const program = async (
      deliveries: ReadableStream<Delivery<string>>,
      consumer: { readonly state: string },
    ) => {
      const queue = new SqsQueue(deliveries);
      queue.onCall = ({ name }) => {
        // A crashed process sends nothing more, and leaves nothing behind in the test.
        const died = consumer.state === "crashed";
        if (died) throw Object.assign(new Error("crashed"), { SenderFault: true });
        if (++calls % 11 === 0 && name !== "ReceiveMessage") throw new Error("no network");
      };
      queue.onEntry = (_, value) =>
        (Number(value) + calls) % 13 === 0 ? { Code: "InternalError", Message: "busy" } : undefined;
      const source = sqsSource(queue.client, URL, {
        maxHeld: 40,
        visibility: 1, // messages that can't be acked or given back come again after that
        onError: () => {},
      });
      const work = acked((batch: Delivery<Message>[]) =>
        batch.map(async ({ value: { Body } }) => {
          await turn();
          if ((Number(Body) * seed + calls) % 17 === 0) throw new Error("busy");
          done.add(Body!);
        }), { delay: () => 0 });
      const retry = backoff({ attempts: 2, min: 1 });
      const sink = new Fanout(work, work.options({ concurrency: 3, retry, onError: () => {} }));
      const piped = source.readable
        .pipeThrough(new BatchStream<Delivery<Message>>({ maxItems: 7, linger: 5 }))
        .pipeTo(sink);
      ends.push(drained.then(() => source.close()), piped);
      await piped;
    };
    await Promise.all([broker.run(program, { consumers: 2, maxMessages: 10 }), drained]);
    await Promise.all(ends);

    const report = check(broker.history);
    assertEquals([report.published, report.lost, report.unexplained], [count, [], []]);
    assertEquals(done.size, count);
  });
}
