/** Tests `JetStreamSink` with a real server. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { jetstream, JetStreamApiError } from "@nats-io/jetstream";
import { headers, type NatsConnection } from "@nats-io/nats-core";
import { type JetStreamMessage, JetStreamSink, type JetStreamSinkOptions } from "@weir/nats";
import { Fanout } from "@weir/streams";
import { settled, streamOf } from "../../../../tests/support/gate.ts";
import { test } from "../../../../tests/support/test.ts";
import { NatsServer } from "./nats_server.ts";
import { eventually, Setup } from "./setup.ts";

function* messages(count: number): Generator<JetStreamMessage> {
  for (let id = 0; id < count; id++) yield { subject: "s.a", msgID: `${id}`, data: `${id}` };
}

const message = (msgID: string): JetStreamMessage => ({ subject: "s.a", msgID });

test("JetStreamSink.submit() returns the answer of the stream", async () => {
  await using setup = await Setup.start();
  const sink = new JetStreamSink(setup.js);
  const first = await sink.submit({ subject: "s.a", data: "weir", msgID: "a" });
  assertEquals(first, { stream: "S", seq: 1, duplicate: false });
  const again = await sink.submit({ subject: "s.a", data: "weir", msgID: "a" });
  assertEquals([again.seq, again.duplicate], [1, true]);
  const { seq } = await sink.submit({ subject: "s.b", data: new Uint8Array([1]), msgID: "b" });
  assertEquals([seq, await setup.stored()], [2, 2]);
  await sink.close();
});

test("JetStreamSink is a Fanout, with every way to add items", async () => {
  await using setup = await Setup.start();
  const sink = new JetStreamSink(setup.js, { concurrency: 2, capacity: 1, name: "orders" });
  assert(sink instanceof Fanout && sink instanceof JetStreamSink);
  assertEquals(sink.concurrency, 2);
  const accepted = ["a", "b", "c", "d"].map((id) => sink.tryPush(message(id)));
  assertEquals(accepted, [true, true, true, false]);
  await sink.push(message("d"));
  await sink.consume([message("e")]);
  await streamOf([message("f")]).pipeTo(sink);
  assertEquals([sink.stats.done, await setup.stored()], [6, 6]);
  assertEquals(new JetStreamSink(setup.js).concurrency, 256);
});

test("JetStreamSink sends the headers, and does not change the given object", async () => {
  await using setup = await Setup.start();
  const sink = new JetStreamSink(setup.js);
  const given = headers();
  given.append("Trace", "1");
  given.append("Trace", "2");
  await Promise.all(["a", "b"].map((msgID) => {
    return sink.submit({ subject: "s.a", msgID, headers: given });
  }));
  const stored = await setup.jsm.streams.getMessage("S", { seq: 2 });
  assertEquals(stored!.header.values("Trace"), ["1", "2"]);
  assertEquals(stored!.header.get("Nats-Msg-Id"), "b");
  assertEquals(given.keys(), ["Trace"]);
  await sink.close();
});

test("JetStreamSink refuses an item that is not a message, at once", async () => {
  await using setup = await Setup.start();
  const sink = new JetStreamSink(setup.js);
  const wrong: Array<[unknown, string]> = [
    [undefined, '"subject"'],
    ["text", '"subject"'],
    [{ subject: "s.a" }, '"msgID"'],
    [{ subject: "s.a", msgID: "" }, '"msgID"'],
    [{ subject: "s.a", msgID: " a" }, '"msgID"'],
    [{ subject: "s.a", msgID: 1 }, '"msgID"'],
    [{ subject: "s.a", msgID: "a", data: { a: 1 } }, '"data"'],
    [{ subject: "s.a", msgID: "a", headers: { a: 1 } }, '"headers"'],
  ];
  for (const [item, field] of wrong) {
    const submitted = sink.submit(item as JetStreamMessage);
    await assertRejects(() => submitted, TypeError, `JetStreamSink: ${field} of a message must be`);
  }
  assertEquals(sink.stats.retried, 0);
  const told: unknown[] = [];
  const other = new JetStreamSink(setup.js, { onError: (error) => told.push(error) });
  other.tryPush({ subject: "s.a" } as JetStreamMessage);
  await other.close();
  assert(told[0] instanceof TypeError);
  await sink.close();
});

test("JetStreamSink refuses a wrong client and wrong options", async () => {
  await using setup = await Setup.start();
  const { js, connection } = setup;
  const make = (options: unknown) => () => new JetStreamSink(js, options as JetStreamSinkOptions);
  assertThrows(
    () => new JetStreamSink(connection as unknown as typeof js),
    TypeError,
    'JetStreamSink: option "js" must be a JetStreamClient',
  );
  assertThrows(make(1), TypeError, "JetStreamSink: options must be a plain object; got 1");
  assertThrows(make(null), TypeError, "options must be a plain object");
  assertThrows(make({ timeout: 0 }), RangeError, '"timeout"');
  assertThrows(make({ timeout: Infinity }), RangeError, '"timeout"');
  assertThrows(make({ duplicateWindow: "1" }), TypeError, '"duplicateWindow"');
  assertThrows(make({ timeout: 5000, duplicateWindow: 1000 }), RangeError, '"duplicateWindow"');
  assertThrows(make({ concurrency: -1 }), RangeError, '"concurrency"');
  assertThrows(make({ retries: 1 }), TypeError, '"retries"');
});

test("JetStreamSink fails at once when the server would refuse the message again", async () => {
  await using setup = await Setup.start({ max_msg_size: 100 });
  const sink = new JetStreamSink(setup.js);
  const large = sink.submit({ subject: "s.a", msgID: "a", data: new Uint8Array(200) });
  const error = await assertRejects(() => large, JetStreamApiError, "message size exceeds");
  assertEquals([error.code, error.status], [10054, 400]);

  const expecting = headers();
  expecting.set("Nats-Expected-Last-Sequence", "7");
  const wrong = sink.submit({ subject: "s.a", msgID: "b", headers: expecting });
  assertEquals((await assertRejects(() => wrong, JetStreamApiError)).code, 10071);

  const tooLarge = new Uint8Array(2 ** 20 + 1);
  await assertRejects(
    () => sink.submit({ subject: "s.a", msgID: "c", data: tooLarge }),
    Error,
    "max_payload",
  );
  await assertRejects(() => sink.submit({ subject: "s. a", msgID: "d" }), Error, "illegal subject");
  assertEquals(sink.stats.retried, 0);
  await sink.close();
});

test("a message to a subject without permission fails at once", async () => {
  await using server = await NatsServer.start(`
    authorization { users [
      { user: "all", password: "all" }
      { user: "some", password: "some", permissions { publish { deny: "s.no" } } }
    ] }`);
  const all = await server.connect({ user: "all", pass: "all" });
  const jsm = await (jetstream(all)).jetstreamManager();
  await jsm.streams.add({ name: "S", subjects: ["s.>"] });
  const connection = await server.connect({ user: "some", pass: "some" });
  const sink = new JetStreamSink(jetstream(connection));
  const refused = sink.submit({ subject: "s.no", msgID: "a" });
  const stored = sink.submit({ subject: "s.yes", msgID: "b" });
  await assertRejects(() => refused, Error, "Permissions Violation");
  assertEquals((await stored).seq, 1);
  await sink.close();
});

test("JetStreamSink receives answers at the prefix of the connection", async () => {
  await using server = await NatsServer.start(`
    authorization { users [
      { user: "a", password: "a", permissions { subscribe: "mine.>" } }
      { user: "b", password: "b", permissions { subscribe: "none.>" } }
    ] }`);
  const connection = await server.connect({ user: "a", pass: "a", inboxPrefix: "mine" });
  const jsm = await (jetstream(connection)).jetstreamManager();
  await jsm.streams.add({ name: "S", subjects: ["s.>"] });
  const sink = new JetStreamSink(jetstream(connection));
  assertEquals((await sink.submit(message("a"))).seq, 1);
  await sink.close();

  const deaf = await server.connect({ user: "b", pass: "b", inboxPrefix: "mine" });
  const other = new JetStreamSink(jetstream(deaf));
  await assertRejects(() => other.submit(message("b")), Error, "Permissions Violation");
  await other.close();
});

test("a message to a subject without a stream is tried again within the duplicate window, and then fails", async () => {
  await using setup = await Setup.start();
  const sink = new JetStreamSink(setup.js, { timeout: 100, duplicateWindow: 500 });
  await assertRejects(
    () => sink.submit({ subject: "other", msgID: "a" }),
    Error,
    'no stream stores subject "other", or its server is away',
  );
  assert(sink.stats.retried > 1);
  const waiting = sink.submit({ subject: "later", msgID: "b" });
  await setup.jsm.streams.add({ name: "L", subjects: ["later"] });
  assertEquals((await waiting).stream, "L");
  await sink.close();
});

test("a full stream takes the message later", async () => {
  await using setup = await Setup.start({ max_msgs: 1, discard: "new" });
  const sink = new JetStreamSink(setup.js);
  await sink.submit(message("a"));
  const second = sink.submit(message("b"));
  await eventually("it is tried again", () => sink.stats.retried > 0);
  await setup.jsm.streams.purge("S");
  assertEquals((await second).seq, 2);
  await sink.close();
});

test("a sink with a custom retry fails as that says", async () => {
  await using setup = await Setup.start();
  const asked: number[] = [];
  const sink = new JetStreamSink(setup.js, {
    retry: (_error, attempt) => {
      asked.push(attempt);
      return attempt < 3 ? 0 : undefined;
    },
  });
  await assertRejects(() => sink.submit({ subject: "other", msgID: "a" }), Error, "no stream");
  assertEquals(asked, [1, 2, 3]);
  await sink.close();
});

test("a message with a late answer is sent again, and stored once", async () => {
  await using setup = await Setup.start();
  const sink = new JetStreamSink(setup.js, { timeout: 200 });
  await sink.submit(message("a"));
  await setup.server.stall();
  const late = sink.submit(message("b"));
  await eventually("it is sent again", () => sink.stats.retried >= 2);
  setup.server.resume();
  assertEquals((await late).seq, 2);
  await sink.close();
  assertEquals(await setup.stored(), 2);
});

for (const how of ["stop", "kill"] as const) {
  test(`20,000 of 20,000 messages are stored, none twice, through a server that ends by ${how}`, async () => {
    await using setup = await Setup.start();
    const { server } = setup;
    const sink = new JetStreamSink(setup.js);
    let away: Promise<void> | undefined;
    const restart = async () => {
      await server[how]();
      await server.start();
    };
    for (const one of messages(20_000)) {
      await sink.push(one);
      if (sink.stats.done > 10_000) away ??= restart();
    }
    await sink.close();
    await away;
    assertEquals([sink.stats.done, await setup.stored()], [20_000, 20_000]);
    const ids = new Set<string>();
    const consumer = await setup.js.consumers.get("S", {});
    for await (const { headers } of await consumer.fetch({ max_messages: 20_000 })) {
      ids.add(headers!.get("Nats-Msg-Id"));
    }
    assertEquals(ids.size, 20_000);
  });
}

test("messages wait for a server that is away from the start, and are sent when it is back", async () => {
  await using setup = await Setup.start();
  await setup.server.stop();
  // A missing answer would time out only after the test.
  const sink = new JetStreamSink(setup.js, { timeout: 100_000 });
  const waiting = [...messages(10)].map((one) => sink.submit(one));
  await setup.server.start();
  const acks = await Promise.all(waiting);
  assertEquals(acks.length, 10);
  assertEquals(await setup.stored(), 10);
  await sink.close();
});

test("a closed connection fails waiting and new messages", async () => {
  await using setup = await Setup.start();
  const connection: NatsConnection = await setup.server.connect();
  const sink = new JetStreamSink(jetstream(connection));
  await sink.submit(message("a"));
  await setup.server.stall();
  const waiting = sink.submit(message("b"));
  waiting.catch(() => {});
  assertEquals(await settled(waiting), "pending");
  await connection.close();
  await assertRejects(() => waiting, Error, "closed connection");
  await assertRejects(() => sink.submit(message("c")), Error, "closed connection");
  setup.server.resume();
  await sink.close();
});

test("sinks of one connection have separate bounds, and the abort of one leaves the others alone", async () => {
  await using setup = await Setup.start();
  const one = new JetStreamSink(setup.js, { concurrency: 1 });
  const two = new JetStreamSink(jetstream(setup.connection), { concurrency: 2 });
  await setup.server.stall();
  const waiting = [...messages(4)].map((item, place) => (place % 2 ? one : two).submit(item));
  for (const promise of waiting) promise.catch(() => {});
  assertEquals([one.stats.running, two.stats.running], [1, 2]);
  await one.abort(new Error("enough"));
  setup.server.resume();
  await two.close();
  const ends = await Promise.allSettled(waiting);
  assertEquals(ends.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "fulfilled",
    "rejected",
  ]);
});
