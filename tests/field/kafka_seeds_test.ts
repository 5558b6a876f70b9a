/** The recipe `examples/recipes/kafka.ts`, with programs that come, end and crash by a seed. */

import { assertEquals } from "@std/assert";
import type { Consumer } from "kafkajs";
import { Fanout } from "../../mod.ts";
import { acked } from "../../packages/nats/delivery.ts";
import { type BrokerEvent, type BrokerEventKind, check } from "../../packages/nats/memory.ts";
import { test } from "../support/test.ts";
import type { KafkaCluster } from "./kafka_cluster.ts";
import { clusterOf, keyOf, Program, type Record, textOf, turns, until } from "./kafka_program.ts";

/** Numbers by a seed. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
}

/** What has happened to the records of a cluster, and to the programs that read it, for `check`. */
class History {
  readonly events: BrokerEvent[] = [];
  /** A consumer of the history is a program in one generation of the group. */
  readonly #consumers = new Map<Consumer, string>();
  readonly #names = new Set<string>();
  readonly #sent = new Map<string, number>();
  readonly #consumerOf = new WeakMap<object, string>();
  readonly #deliveries = new WeakMap<object, number>();

  constructor(cluster: KafkaCluster) {
    const committed = cluster.partitions.map((records, partition) => {
      records.forEach((_, offset) => this.note("published", { id: `${partition}:${offset}` }));
      return 0;
    });
    cluster.onCommit = (partition, offset) => {
      for (let n = committed[partition]!; n < offset; n++) {
        this.note("acked", { id: `${partition}:${n}` });
      }
      committed[partition] = Math.max(committed[partition]!, offset);
    };
    cluster.onGeneration = () => {
      // Each partition may be another's now: also one that has stayed at the last rebalance.
      for (const consumer of this.#names) this.note("left", { consumer });
      this.#consumers.clear();
    };
    cluster.onSent = (of, partition, messages) => {
      const consumer = this.#consumers.get(of) ?? `program ${this.#names.size + 1}`;
      this.#consumers.set(of, consumer);
      this.#names.add(consumer);
      for (const message of messages) {
        this.#consumerOf.set(message, consumer);
        this.#deliver(message, `${partition}:${message.offset}`);
      }
    };
  }

  note(kind: BrokerEventKind, of: { id?: string; consumer?: string; deliveries?: number }): void {
    this.events.push({ at: this.events.length, kind, ...of });
  }

  /** A handler has started. */
  taken(record: Record): void {
    const { message } = record.value;
    const consumer = this.#consumerOf.get(message)!;
    this.note("taken", {
      id: textOf(record),
      consumer,
      deliveries: this.#deliveries.get(message)!,
    });
  }

  /** A handler has failed: its source hands it out again. */
  nacked(record: Record): void {
    this.note("nacked", { id: textOf(record) });
    this.#deliver(record.value.message, textOf(record));
  }

  #deliver(message: object, id: string): void {
    const deliveries = (this.#sent.get(id) ?? 0) + 1;
    this.#sent.set(id, deliveries);
    this.#deliveries.set(message, deliveries);
    this.note("delivered", { id, consumer: this.#consumerOf.get(message)!, deliveries });
  }
}

for (let seed = 1; seed <= 10; seed++) {
  test(`recipe Kafka: nothing is lost and each duplicate has its reason, with seed ${seed}`, async () => {
    const below = random(seed);
    const cluster = clusterOf(60, 60, 60, 60);
    const history = new History(cluster);
    let failures = 0;

    const start = async () => {
      const stop = new AbortController();
      const program = await Program.start(cluster, { signal: stop.signal, maxPending: 30 });
      let alive = true;
      const work = acked(async (record: Record) => {
        if (!alive) return;
        history.taken(record);
        await turns(below(4));
        if (below(15) > 0 || failures++ > 100) return;
        history.nacked(record);
        throw new Error("busy");
      }, { delay: () => below(5) });
      const options = { concurrency: 4, key: keyOf, onError: () => {} };
      const piped = program.source.readable.pipeTo(new Fanout(work, work.options(options)));
      return {
        async end() {
          stop.abort();
          await piped;
          await program[Symbol.asyncDispose]();
        },
        crash() {
          alive = false;
          program.consumer.crash();
          stop.abort();
        },
      };
    };

    const running = [await start(), await start()];
    const isDone = () => cluster.committed.every((offset) => offset === 60);
    for (let round = 0; round < 8 && !isDone(); round++) {
      await turns(5 + below(20));
      const event = below(3);
      if (event === 0 && running.length < 4) running.push(await start());
      if (event === 0 || running.length < 2) continue;
      const [program] = running.splice(below(running.length), 1);
      if (event === 1) await program!.end();
      else program!.crash();
    }
    await until(isDone);
    for (const program of running) await program.end();
    const report = check(history.events);
    assertEquals([report.published, report.lost, report.unexplained], [240, [], []]);
  });
}
