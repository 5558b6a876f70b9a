/** Tests `examples/cluster/distributed_singleflight.ts` with real processes and a real server. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";
import { DistributedSingleflight } from "../../../../examples/cluster/distributed_singleflight.ts";
import { checkBucket, encodeKey } from "../../../../examples/cluster/leases.ts";
import {
  Child,
  command,
  NatsServer,
  type Runtime,
} from "../../../../examples/cluster/processes.ts";
import { gate } from "../../../../tests/support/gate.ts";
import type { Ask, Event } from "./singleflight_worker.ts";

const WORKER = "packages/nats/tests/cluster/singleflight_worker.ts";
// Before the tests, which would complain about resources that esbuild leaves open.
const commands = {
  deno: await command("deno", WORKER),
  bun: await command("bun", WORKER),
  node: await command("node", WORKER),
};

type Execution = Extract<Event, { event: "execute" }>;

/** A process with callers. */
class Asker implements AsyncDisposable {
  readonly events: Event[] = [];
  readonly child: Child;
  #heard = gate();

  constructor(run: readonly string[]) {
    this.child = new Child(run, (line) => {
      this.events.push(JSON.parse(line));
      this.#heard.resolve();
      this.#heard = gate();
    });
  }

  static async start(runtime: Runtime, server: NatsServer, options: object): Promise<Asker> {
    const asker = new Asker([
      ...commands[runtime],
      server.url,
      JSON.stringify({ bucket: "flights", ...options }),
    ]);
    await asker.says("ready");
    return asker;
  }

  async ask(ask: Ask): Promise<void> {
    await this.child.tell(JSON.stringify(ask));
  }

  /** Waits for a number of events of a kind. */
  async says(event: Event["event"], times = 1): Promise<void> {
    const ended = this.child.ended.then(() => {
      throw new Error(`ended without ${event}:\n${this.child.lines.join("\n")}`);
    });
    while (this.events.filter((each) => each.event === event).length < times) {
      await Promise.race([this.#heard.promise, ended]);
    }
    ended.catch(() => {});
  }

  get executions(): Execution[] {
    return this.events.filter((each) => each.event === "execute");
  }

  /** The results of its callers. */
  get results(): Array<Extract<Event, { event: "result" }>> {
    return this.events.filter((each) => each.event === "result");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child.kill();
  }
}

/** Long enough for a busy machine. */
const PATIENT = { lease: 20, keep: 60 };

const keys = Array.from({ length: 20 }, (_, i) => `key/${i}`);

Deno.test("DistributedSingleflight: 4 processes with 50 callers of 20 keys execute 20 times", async () => {
  await using server = await NatsServer.start();
  const runtimes: Runtime[] = ["deno", "bun", "node", "deno"];
  const askers = await Promise.all(runtimes.map((each) => Asker.start(each, server, PATIENT)));
  await using all = group(askers);
  await Promise.all(askers.map((asker) => asker.ask({ keys, callers: 50, work: 100 })));
  await Promise.all(askers.map((asker) => asker.says("done")));
  assertEquals(all.executions().length, 20);
  assertEquals(all.results().size, 20);
  for (const [key, results] of all.results()) assertEquals(results.size, 1, key);
});

Deno.test("DistributedSingleflight: a process that is killed is replaced when its lease ends", async () => {
  await using server = await NatsServer.start();
  const holder = await Asker.start("deno", server, { lease: 1 });
  const heir = await Asker.start("deno", server, { lease: 1 });
  await using all = group([holder, heir]);
  await holder.ask({ keys: ["k"], callers: 1, work: 60_000 });
  await holder.says("execute");
  await renewals(server, 2);
  await heir.ask({ keys: ["k"], callers: 50, work: 10 });
  await holder.child.kill();
  await heir.says("done");
  const [first, second] = all.executions();
  assert(first!.revision < second!.revision);
  assertEquals(all.executions().length, 2);
  assertEquals(heir.results[0]!.results, [`k by ${heir.child.pid} at ${second!.revision}`]);
});

Deno.test("DistributedSingleflight: a process that is paused beyond its lease gets the result of its successor", async () => {
  await using server = await NatsServer.start();
  const holder = await Asker.start("node", server, {});
  const heir = await Asker.start("deno", server, {});
  await using all = group([holder, heir]);
  await holder.ask({ keys: ["k"], callers: 50, work: 500 });
  await holder.says("execute");
  holder.child.signal("SIGSTOP");
  await heir.ask({ keys: ["k"], callers: 50, work: 10 });
  await heir.says("done");
  holder.child.signal("SIGCONT");
  await holder.says("done");
  const [first, second] = all.executions();
  assert(first!.revision < second!.revision);
  assertEquals(all.results().get("k"), new Set([`k by ${heir.child.pid} at ${second!.revision}`]));
});

Deno.test("DistributedSingleflight: a lease is renewed for as long as an execution takes", async () => {
  await using server = await NatsServer.start();
  const holder = await Asker.start("deno", server, { lease: 2 });
  const other = await Asker.start("bun", server, { lease: 2 });
  await using all = group([holder, other]);
  await holder.ask({ keys: ["k"], callers: 1, work: 5000 });
  await holder.says("execute");
  await other.ask({ keys: ["k"], callers: 1, work: 0 });
  await Promise.all([holder.says("done"), other.says("done")]);
  assertEquals(all.executions().length, 1);
  assertEquals(all.results().get("k")!.size, 1);
});

Deno.test("DistributedSingleflight: a failure rejects its own process, and another one executes", async () => {
  await using server = await NatsServer.start();
  // A lease that is longer than the test.
  const failing = await Asker.start("deno", server, { lease: 3600 });
  const other = await Asker.start("deno", server, { lease: 3600 });
  await using all = group([failing, other]);
  await failing.ask({ keys: ["k"], callers: 50, work: 300, fail: true });
  await failing.says("execute");
  await other.ask({ keys: ["k"], callers: 50, work: 0 });
  await Promise.all([failing.says("done"), other.says("done")]);
  assertEquals(failing.results[0]!.results, ["Error: broken"]);
  assertEquals(all.executions().length, 2);
  assert(other.results[0]!.results[0]!.startsWith("k by"));
});

Deno.test("DistributedSingleflight: a call in flight outlives a restart of the server", async () => {
  await using server = await NatsServer.start();
  const holder = await Asker.start("deno", server, { lease: 10, keep: 60 });
  const other = await Asker.start("deno", server, { lease: 10, keep: 60 });
  await using all = group([holder, other]);
  await holder.ask({ keys: ["k"], callers: 1, work: 3000 });
  await holder.says("execute");
  await other.ask({ keys: ["k"], callers: 1, work: 0 });
  // It waits by then, because the requests of one connection are answered in order.
  await other.ask({ keys: ["another"], callers: 1, work: 0 });
  await other.says("done");
  await server.kill();
  await server.start();
  await Promise.all([holder.says("done"), other.says("done", 2)]);
  assertEquals(all.executions().map(({ key }) => key).sort(), ["another", "k"]);
  assertEquals(all.results().get("k")!.size, 1);
});

Deno.test("DistributedSingleflight: when the last caller leaves, the execution aborts and the key is free", async () => {
  await using server = await NatsServer.start();
  const connection = await connect({ servers: server.url });
  const flights = await DistributedSingleflight.open<number>(connection, { bucket: "b" });
  const leave = new AbortController();
  const started = gate();
  const first = flights.do("k", async ({ signal }) => {
    started.resolve();
    await new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    return 1;
  }, { signal: leave.signal });
  await started.promise;
  leave.abort(new Error("gone"));
  await assertRejects(() => first, Error, "gone");
  assertEquals(await flights.do("k", () => 2), 2);
  assertEquals(await flights.do("k", () => 3), 2);
  assertEquals(await flights.do("none", () => undefined as never), undefined);
  flights.close();
  await connection.close();
});

Deno.test("DistributedSingleflight: a result that is older than keep is executed again", async () => {
  await using server = await NatsServer.start();
  const connection = await connect({ servers: server.url });
  const flights = await DistributedSingleflight.open<number>(connection, { bucket: "b", keep: 1 });
  let executions = 0;
  const ask = () => flights.do("k", () => ++executions);
  assertEquals(await ask(), 1);
  assertEquals(await ask(), 1);
  while (await ask() === 1) await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals(executions, 2);
  flights.close();
  await connection.close();
});

Deno.test("DistributedSingleflight: it refuses a bucket with another configuration", async () => {
  await using server = await NatsServer.start();
  const connection = await connect({ servers: server.url });
  await new Kvm(connection).create("plain");
  await new Kvm(connection).create("long", { markerTTL: 1000, history: 5 });
  const open = (bucket: string) => () => DistributedSingleflight.open(connection, { bucket });
  await assertRejects(open("plain"), Error, 'Bucket "plain" has markerTTL 0 and needs 1000');
  await assertRejects(open("long"), Error, 'Bucket "long" has history 5 and needs 1');
  await connection.close();
});

Deno.test("DistributedSingleflight: it refuses an old server, and an option out of range", async () => {
  const old = { bucket: "b", markerTTL: 0, history: 1, ttl: 0 };
  assertThrows(
    () => checkBucket(old, "2.9.10"),
    Error,
    "need NATS 2.11 or later; this server is 2.9.10",
  );
  const open = (options: object) => () =>
    DistributedSingleflight.open({} as never, { bucket: "b", ...options });
  const rule = (option: string) => `DistributedSingleflight: option "${option}" must be an integer`;
  await assertRejects(open({ lease: 0.5 }), RangeError, rule("lease"));
  await assertRejects(open({ keep: 0 }), RangeError, rule("keep"));
  await assertRejects(open({ keep: "5s" }), TypeError, rule("keep"));
});

Deno.test("DistributedSingleflight: each key has a distinct name that NATS accepts", () => {
  const strange = [
    "",
    "=",
    "a b",
    "a.b",
    ".",
    "*",
    ">",
    "a=20b",
    "a%20b",
    "käse",
    "🧀",
    "(!)",
    "a/b",
  ];
  const names = strange.map(encodeKey);
  assertEquals(new Set(names).size, strange.length);
  for (const name of names) assert(/^[=\w-]+$/.test(name), name);
});

/** Waits until a lease was renewed a number of times. */
async function renewals(server: NatsServer, times: number): Promise<void> {
  const connection = await connect({ servers: server.url });
  const kv = await new Kvm(connection).open("flights");
  const watch = await kv.watch({ include: "history" });
  let seen = -1;
  for await (const _ of watch) {
    if (++seen === times) break;
  }
  await connection.close();
}

/** Starts several processes, which end together. */
function group(askers: readonly Asker[]): AsyncDisposable & {
  /** In the order of their revisions. */
  executions(): Execution[];
  /** The results of the callers, as a set for each key. */
  results(): Map<string, Set<string>>;
} {
  return {
    executions: () =>
      askers.flatMap((asker) => asker.executions).sort((a, b) => a.revision - b.revision),
    results() {
      const all = new Map<string, Set<string>>();
      for (const { key, results } of askers.flatMap((asker) => asker.results)) {
        all.set(key, new Set([...all.get(key) ?? [], ...results]));
      }
      return all;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(askers.map((asker) => asker[Symbol.asyncDispose]()));
    },
  };
}
