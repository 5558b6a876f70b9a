/**
 * Tests the recipe `examples/recipes/kafka.ts` with the consumer of kafkajs and a Kafka in memory.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { kafkaSource } from "../../examples/recipes/kafka.ts";
import { BatchStream, Fanout } from "../../mod.ts";
import { acked } from "../../packages/nats/delivery.ts";
import { gate, settled, turn } from "../support/gate.ts";
import { test as register } from "../support/test.ts";
import { error } from "./kafka_cluster.ts";
import {
  clusterOf,
  keyOf,
  Program,
  type Record,
  Surface,
  textOf,
  turns,
  until,
} from "./kafka_program.ts";

const test = (name: string, body: () => Promise<void>) => register(`recipe Kafka: ${name}`, body);

test("the source asks for nothing before the first read", async () => {
  const cluster = clusterOf(3);
  let fetches = 0;
  cluster.onFetch = () => void fetches++;
  await using program = await Program.start(cluster);
  await turns(10);
  assertEquals(fetches, 0);
  const [first] = await program.take(1);
  assertEquals([textOf(first!), first!.deliveries], ["0:0", 1]);
});

test("an offset is committed when every record before it is done, in any order", async () => {
  const cluster = clusterOf(5);
  await using program = await Program.start(cluster);
  const taken = await program.take(5);
  for (const n of [4, 1, 2]) taken[n]!.ack();
  await turns(20);
  assertEquals(cluster.commits, []);
  taken[0]!.ack();
  await until(() => cluster.committed[0] === 3);
  taken[3]!.ack();
  await until(() => cluster.committed[0] === 5);
  assertEquals(cluster.commits.map(({ offset }) => offset), [3, 5]);
});

test("records of a key are handled in order, and different keys concurrently", async () => {
  const cluster = clusterOf(30, 30);
  const stop = new AbortController();
  await using program = await Program.start(cluster, { signal: stop.signal });
  const seen = new Map<string, number[]>();
  let [running, most] = [0, 0];
  const work = acked(async (record: Record) => {
    most = Math.max(most, ++running);
    await turns(1 + seen.size % 3);
    running--;
    const key = keyOf(record);
    seen.set(key, [...seen.get(key) ?? [], Number(record.value.message.offset)]);
  });
  const sink = new Fanout(work, work.options({ concurrency: 8, key: keyOf }));
  const piped = program.source.readable.pipeTo(sink);
  await until(() => cluster.committed.every((offset) => offset === 30));
  stop.abort();
  await piped;
  assert(most > 1);
  assertEquals(seen.size, 6);
  for (const offsets of seen.values()) assertEquals(offsets, offsets.toSorted((a, b) => a - b));
});

test("the bound limits read and uncommitted records, and the member stays in its group", async () => {
  const cluster = clusterOf(40, 40);
  await using program = await Program.start(cluster, { maxPending: 7 });
  const [first, ...taken] = await program.take(7);
  const next = program.take(1);
  // All except the first are done, and none can be committed.
  for (const record of taken) record.ack();
  assertEquals(await settled(next), "pending");
  const { heartbeats } = cluster;
  await until(() => cluster.heartbeats >= heartbeats + 2);
  assertEquals(await settled(next), "pending");
  first!.ack();
  (await next)[0]!.ack();
  (await program.take(7)).forEach((record) => record.ack());
});

test("a nak delivers a record again after its delay, and the offset waits", async () => {
  const cluster = clusterOf(3);
  await using program = await Program.start(cluster);
  const [first, ...others] = await program.take(3);
  for (const record of others) record.ack();
  first!.nak(5);
  first!.ack(); // the first counts
  const [again] = await program.take(1);
  assertEquals([textOf(again!), again!.deliveries], ["0:0", 2]);
  assertEquals(cluster.committed, [0]);
  again!.ack();
  await until(() => cluster.committed[0] === 3);
});

test("poison goes to onPoison at its last delivery, and the offset advances", async () => {
  const cluster = clusterOf(6);
  const stop = new AbortController();
  await using program = await Program.start(cluster, { signal: stop.signal });
  const poison: string[] = [];
  const work = acked(
    (batch: Record[]) =>
      batch.map((record) => textOf(record) === "0:1" ? new Error("broken") : undefined),
    {
      maxDeliveries: 3,
      delay: () => 1,
      onPoison: (record, error) => void poison.push(`${textOf(record)} ${error}`),
    },
  );
  const sink = new Fanout(work, work.options({ onError: () => {} }));
  const piped = program.source.readable
    .pipeThrough(new BatchStream<Record>({ maxItems: 4, linger: 2 }))
    .pipeTo(sink);
  await until(() => cluster.committed[0] === 6);
  stop.abort();
  await piped;
  assertEquals(poison, ["0:1 Error: broken"]);
});

test("at the end the stream closes, and only records that were read are committed", async () => {
  const cluster = clusterOf(9);
  const stop = new AbortController();
  await using program = await Program.start(cluster, { signal: stop.signal });
  const [first, second, third, fourth] = await program.take(4);
  first!.ack();
  third!.ack();
  fourth!.nak(60_000); // not awaited
  await until(() => cluster.committed[0] === 1);
  stop.abort();
  assertEquals((await program.source.readable.getReader().read()).done, true);
  second!.ack();
  await program.source.close();
  assertEquals(cluster.committed, [3]);
  await program.consumer.disconnect();
  await using next = await Program.start(cluster);
  assertEquals((await next.take(6)).map(textOf), [3, 4, 5, 6, 7, 8].map((n) => `0:${n}`));
});

test("a revoked partition is no longer delivered, acked or committed here", async () => {
  const cluster = clusterOf(6, 6);
  await using one = await Program.start(cluster);
  const before = await one.take(8); // with open records of both
  const generation = gate<number>();
  cluster.onGeneration = generation.resolve;
  await using two = await Program.start(cluster);
  const taken = await two.take(6);
  await generation.promise;
  const { partition } = taken[0]!.value;
  assertEquals(taken.map(textOf), [0, 1, 2, 3, 4, 5].map((n) => `${partition}:${n}`));
  const commits = cluster.commits.length;
  const mine = (record: Record) => record.value.partition === partition;
  for (const record of before.filter(mine)) record.ack();
  await turns(20);
  assertEquals(cluster.commits.length, commits);
  // The partition that stays goes on where it was: none of its records comes again, and none of the
  // other's.
  const kept = 1 - partition;
  for (let n = 6; n < 12; n++) cluster.append(kept, { key: "", value: `${kept}:${n}` });
  const all = [...before, ...await one.take(12 - before.filter((record) => !mine(record)).length)];
  const rest = all.filter((record) => !mine(record));
  assertEquals(rest.map(textOf), Array.from({ length: 12 }, (_, n) => `${kept}:${n}`));
  assertEquals(all.length - rest.length, before.filter(mine).length);
  for (const record of [...rest, ...taken]) record.ack();
  await until(() => cluster.committed[kept] === 12 && cluster.committed[partition] === 6);
});

test("records of a revoked partition no longer count", async () => {
  const cluster = clusterOf(0, 6);
  await using one = await Program.start(cluster, { maxPending: 4 });
  await one.take(4);
  await using two = await Program.start(cluster);
  const taken = await two.take(6);
  for (let n = 0; n < 4; n++) cluster.append(0, { key: "", value: `0:${n}` });
  const others = await one.take(4);
  assertEquals(others.map(textOf), ["0:0", "0:1", "0:2", "0:3"]);
  for (const record of [...taken, ...others]) record.ack();
  await until(() => cluster.committed.join() === "4,6");
});

test("a batch that was fetched before a rebalance is dropped", async () => {
  const surface = new Surface();
  const { readable, close } = kafkaSource(surface as never, { maxPending: 2 });
  const reader = readable.getReader();
  const read = reader.read();
  await turn();
  const waiting = surface.batch([0, 1, 2]);
  await surface.batch([7], true); // kafkajs reports this before its seek
  (await read).value!.ack();
  await waiting;
  assertEquals(surface.resolved, ["0", "1", "2"]);
  const stale = surface.batch([3, 4]);
  assertEquals(await settled(stale), "pending");
  surface.join({ orders: [0] });
  await stale;
  assertEquals(surface.resolved, ["0", "1", "2"]);
  assertEquals(surface.seeks, [{ topic: "orders", partition: 0, offset: "3" }]);
  reader.releaseLock();
  await close();
});

test("a partition that stays without open records continues at the offset of the group", async () => {
  const surface = new Surface();
  const { readable, close } = kafkaSource(surface as never);
  const reader = readable.getReader();
  const read = reader.read();
  await turn();
  await surface.batch([0]);
  (await read).value!.ack();
  await turn();
  surface.join({ orders: [0] });
  assertEquals(surface.seeks, []);
  reader.releaseLock();
  await close();
});

test("a commit that a rebalance refuses is sent again in the next generation", async () => {
  const cluster = clusterOf(1, 1);
  await using one = await Program.start(cluster);
  const taken = await one.take(2);
  cluster.failures.push(error("REBALANCE_IN_PROGRESS"), error("ILLEGAL_GENERATION"));
  for (const record of taken) record.ack();
  await until(() => cluster.failures.length === 0);
  await turns(20);
  assertEquals(cluster.commits, []);
  await using two = await Program.start(cluster);
  const [other] = await two.take(1);
  other!.ack();
  await until(() => cluster.committed.every((offset) => offset === 1));
});

test("a commit that fails for another reason errors the stream", async () => {
  const cluster = clusterOf(1);
  const program = await Program.start(cluster);
  const [record] = await program.take(1);
  cluster.failures.push(error("GROUP_AUTHORIZATION_FAILED"));
  record!.ack();
  const read = program.source.readable.getReader().read();
  const refused = await assertRejects(() => read, Error);
  assertEquals((refused.cause as { type?: string }).type, "GROUP_AUTHORIZATION_FAILED");
  await program[Symbol.asyncDispose]();
});

test("a consumer that crashes for good errors the stream", async () => {
  const cluster = clusterOf(1);
  const program = await Program.start(cluster);
  cluster.onFetch = () => {
    throw error("TOPIC_AUTHORIZATION_FAILED");
  };
  const read = program.source.readable.getReader().read();
  await assertRejects(() => read, Error, "Not authorized");
  await program[Symbol.asyncDispose]();
});
