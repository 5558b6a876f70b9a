/** Tests, for an SDK, of `instrument`, `instrumentBatch`, `snapshot` and `carry`. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { context, type SpanContext, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { Aggregator, Fanout, MapStream } from "../../../mod.ts";
import { turn } from "../../../tests/support/gate.ts";
import { Hand, rejection } from "../../../tests/support/hand.ts";
import { test } from "../../../tests/support/test.ts";
import { Carried, carry, instrument, instrumentBatch, snapshot } from "../mod.ts";
import { type Distribution, type EndedSpan, type Sdk, type Telemetry, withSdk } from "./sdk.ts";

const DURATION = "messaging.process.duration";
const MESSAGES = "messaging.client.consumed.messages";

/** Registers the tests. */
export function instrumenting(sdk: Sdk): void {
  const it = (what: string, body: (telemetry: Telemetry) => Promise<void>) =>
    test(`${sdk.name}: ${what}`, () => withSdk(sdk, body));

  it("instrument() measures and traces a call by the names of the conventions", async (telemetry) => {
    const { meter, tracer, spans, collect } = telemetry;
    const handler = instrument((to: string, { attempt }) => Promise.resolve(to.length + attempt), {
      ...{ destination: "mails", system: "kafka", operation: "send", meter, tracer },
      attributes: { region: "eu" },
    });
    await using mails = new Fanout(handler);
    const length: number = await mails.submit("ada");
    assertEquals(length, 4);
    const names = {
      region: "eu",
      "messaging.system": "kafka",
      "messaging.destination.name": "mails",
      "messaging.operation.name": "send",
    };
    const [span] = spans();
    assertEquals([span!.name, span!.kind], ["send mails", SpanKind.CONSUMER]);
    assertEquals(span!.attributes, { ...names, "messaging.operation.type": "process" });
    assertEquals(span!.status.code, SpanStatusCode.UNSET);
    const metrics = new Map((await collect()).map((metric) => [metric.descriptor.name, metric]));
    assertEquals([...metrics.keys()].sort(), [MESSAGES, DURATION]);
    for (const { dataPoints } of metrics.values()) {
      assertEquals(dataPoints.map(({ attributes }) => attributes), [names]);
    }
    const duration = metrics.get(DURATION)!.dataPoints[0]!.value as Distribution;
    assertEquals(duration.count, 1);
    assert(duration.sum >= 0 && duration.sum < 60, "in seconds");
    assertEquals(duration.buckets.boundaries.at(0), 0.005);
  });

  it("instrument() keeps the type of the handler, for submit and for its context", async (telemetry) => {
    const { meter, tracer } = telemetry;
    const options = { destination: "numbers", meter, tracer };
    await using doubled = new Fanout(
      instrument((n: number, { signal, attempt }) => {
        signal.throwIfAborted();
        return attempt === 1 ? n * 2 : "again";
      }, options),
    );
    const result: number | string = await doubled.submit(2);
    // @ts-expect-error It is a number or a string.
    const wrong: boolean = await doubled.submit(2);
    assertEquals([result, wrong as unknown], [4, 4]);
    // @ts-expect-error It takes numbers.
    doubled.tryPush("2");
    const mapped = MapStream.from([1, 2], instrument((n: number) => n + 1, options));
    const all: number[] = await Array.fromAsync(mapped);
    assertEquals(all, [2, 3]);
    await using loader = new Aggregator(
      instrumentBatch((ids: number[], { attempt }) => ids.map((id) => `${id} ${attempt}`), options),
      { linger: 0 },
    );
    const name: string = await loader.submit(1);
    assertEquals(name, "1 1");
  });

  it("instrument() passes results, errors and this on unchanged", async ({ meter, tracer }) => {
    const options = { destination: "things", meter, tracer };
    const value = {};
    const error = new Error("mine");
    const receiver = {
      value,
      run: instrument(function (this: { value: object }, way: string): unknown {
        if (way === "throw") throw error;
        if (way === "reject") return Promise.reject(error);
        return way === "value" ? this.value : Promise.resolve(this.value);
      }, options),
    };
    const run = (way: string) => receiver.run(way);
    assertStrictEquals(run("value"), value);
    assertStrictEquals(await run("promise"), value);
    assertStrictEquals(await rejection(run("reject") as Promise<unknown>), error);
    assertStrictEquals(assertThrows(() => run("throw")), error);
  });

  it("instrument() calls then of a thenable once, because that may start work each time", async ({ meter, tracer, spans }) => {
    let queries = 0;
    const query = {
      then(resolve: (rows: number) => void) {
        resolve(++queries);
      },
    };
    await using sink = new Fanout(
      instrument((_: string) => query as PromiseLike<number>, {
        destination: "db",
        meter,
        tracer,
      }),
    );
    assertEquals(await sink.submit("select"), 1);
    assertEquals([queries, spans().length], [1, 1]);
  });

  it("instrument() records an error of a handler, even undefined", async (telemetry) => {
    const { meter, tracer, spans, numbers } = telemetry;
    const errors = [new RangeError("too far"), undefined, { secret: 1 }, ""];
    await using sink = new Fanout(
      instrument((place: number) => {
        if (place % 2 === 0) throw errors[place];
        return Promise.reject(errors[place]);
      }, { destination: "places", meter, tracer }),
      { onError: () => {} },
    );
    await sink.consume([0, 1, 2, 3]);
    const seen = spans().map(({ attributes, status, events }) => [
      ...[attributes["error.type"], status.code, status.message],
      events.map(({ name }) => name).join(),
    ]);
    const ERROR = SpanStatusCode.ERROR;
    assertEquals(seen, [
      ["RangeError", ERROR, "too far", "exception"],
      ["_OTHER", ERROR, "undefined", "exception"],
      ["_OTHER", ERROR, "an object", "exception"],
      ["_OTHER", ERROR, "an empty string", "exception"],
    ]);
    assertEquals(await numbers(), {
      [`${DURATION} error.type=RangeError`]: 1,
      [`${DURATION} error.type=_OTHER`]: 3,
      [`${MESSAGES} error.type=RangeError`]: 1,
      [`${MESSAGES} error.type=_OTHER`]: 3,
    });
  });

  it("snapshot() makes the span of an item a child of its push's span, even if the item waited", async (telemetry) => {
    const { meter, tracer, spans } = telemetry;
    const hand = new Hand<string>();
    const active: unknown[] = [];
    const handler = (item: string, given: { readonly signal: AbortSignal }) => {
      active.push(trace.getActiveSpan()?.spanContext());
      return hand.handler(item, given);
    };
    await using sink = new Fanout(instrument(handler, { destination: "mails", meter, tracer }), {
      concurrency: 1,
      snapshot,
    });
    const requests = within(tracer, ["a", "b"], (item) => void sink.tryPush(item));
    for (const item of ["a", "b"]) {
      hand.call(item).resolve(0);
      await turn();
    }
    const calls = spans().filter(({ name }) => name === "process mails");
    assertEquals(calls.map(parentOf), [requests.a!.spanId, requests.b!.spanId]);
    assertEquals(calls.map(({ links }) => links), [[], []]);
    assertEquals(calls.map((span) => span.spanContext().spanId), active.map(idOf));
  });

  it("instrument() uses the span that an item carries as the parent, without a snapshot", async (telemetry) => {
    const { meter, tracer, spans } = telemetry;
    await using sink = new Fanout(
      instrument(async ({ value }: Carried<string>) => {
        await turn();
        return value.length;
      }, { destination: "mails", meter, tracer }),
    );
    const requests = within(tracer, ["a", "b"], (item) => void sink.tryPush(carry(item)));
    sink.tryPush(carry("c"));
    await sink.idle();
    const calls = spans().filter(({ name }) => name === "process mails");
    assertEquals(calls.slice(0, 2).map(parentOf), [requests.a!.spanId, requests.b!.spanId]);
    assertEquals(calls[0]!.spanContext().traceId, requests.a!.traceId);
  });

  it("instrumentBatch() links a batch to the span of each item, once, in a new trace", async (telemetry) => {
    const { meter, tracer, spans, numbers } = telemetry;
    await using sink = new Aggregator(
      instrumentBatch((batch: Carried<string>[]) => batch.map(({ value }) => value), {
        destination: "rows",
        meter,
        tracer,
      }),
      { maxItems: 5, snapshot },
    );
    const push = (item: string) => void sink.tryPush(carry(item));
    const requests = within(tracer, ["a", "b"], (item) => (push(item), push(item)));
    sink.tryPush(carry("c"));
    const [span] = spans().filter(({ name }) => name === "process rows");
    const { a, b } = requests;
    assertEquals(span!.links.map(({ context }) => context.spanId), [a!.spanId, b!.spanId]);
    assertEquals(span!.parentSpanContext, undefined);
    assert(![a!.traceId, b!.traceId].includes(span!.spanContext().traceId));
    assertEquals(span!.attributes["messaging.batch.message_count"], 5);
    assertEquals(await numbers(), { [DURATION]: 1, [MESSAGES]: 5, "weir.batch.size": 1 });
  });

  it("instrumentBatch() makes a batch whose items carry no span a child of its first item's span", async (telemetry) => {
    const { meter, tracer, spans } = telemetry;
    await using sink = new Aggregator(
      instrumentBatch((_: string[]) => {}, { destination: "rows", meter, tracer }),
      { maxItems: 2, snapshot },
    );
    const requests = within(tracer, ["a", "b"], (item) => void sink.tryPush(item));
    const [span] = spans().filter(({ name }) => name === "process rows");
    assertEquals([parentOf(span!), span!.links], [requests.a!.spanId, []]);
  });

  it("instrumentBatch() takes spans of headers by spanOf, and skips invalid ones", async (telemetry) => {
    const { meter, tracer, spans } = telemetry;
    const far = { traceId: "1".repeat(32), spanId: "2".repeat(16), traceFlags: 1, isRemote: true };
    const none = { traceId: "0".repeat(32), spanId: "0".repeat(16), traceFlags: 0 };
    interface Message {
      readonly from?: SpanContext;
    }
    await using sink = new Aggregator(
      instrumentBatch((_: Message[]) => {}, {
        destination: "topic",
        spanOf: (message) => message.from,
        meter,
        tracer,
      }),
      { maxItems: 3 },
    );
    for (const message of [{ from: far }, { from: none }, {}]) sink.tryPush(message);
    assertEquals(spans()[0]!.links.map(({ context }) => context.spanId), [far.spanId]);
    await using single = new Fanout(
      instrument((_: Message) => {}, {
        destination: "one",
        spanOf: ({ from }) => from,
        meter,
        tracer,
      }),
    );
    single.tryPush({ from: far });
    assertEquals(parentOf(spans()[1]!), far.spanId);
  });

  it("instrumentBatch() counts the single failures of a batch, also in promises", async (telemetry) => {
    const { meter, tracer, spans, numbers } = telemetry;
    const entries = (ids: number[]) => [
      ...ids.slice(3),
      new RangeError("a"),
      Promise.reject(new TypeError("b")),
      Promise.resolve(new TypeError("c")),
    ];
    await using sink = new Aggregator(
      instrumentBatch(entries, { destination: "users", meter, tracer }),
      { maxItems: 5, onError: () => {} },
    );
    await sink.consume([1, 2, 3, 4, 5]);
    assertEquals([sink.stats.done, sink.stats.failed], [2, 3]);
    assertEquals(await numbers(), {
      [DURATION]: 1,
      [MESSAGES]: 2,
      [`${MESSAGES} error.type=RangeError`]: 1,
      [`${MESSAGES} error.type=TypeError`]: 2,
      "weir.batch.size": 1,
    });
    const [span] = spans();
    assertEquals(span!.status.code, SpanStatusCode.UNSET);
    assertEquals(span!.attributes["weir.batch.failed"], 3);
  });

  it("instrumentBatch() counts all items of a failed batch, and no failure in an array of another length", async (telemetry) => {
    const { meter, tracer, numbers } = telemetry;
    const options = { destination: "users", meter, tracer };
    const error = new Error("down");
    const failing = instrumentBatch((_: number[]) => Promise.reject(error), options);
    assertStrictEquals(await rejection(failing([1, 2, 3])), error);
    let asked = 0;
    const entry = Object.assign(Promise.resolve(1), { then: () => void asked++ });
    const other = instrumentBatch((_: number[]) => [entry, error, error], options);
    other([1, 2]);
    assertEquals(asked, 0);
    assertEquals(await numbers(), {
      [`${DURATION} error.type=Error`]: 1,
      [`${MESSAGES} error.type=Error`]: 3,
      [DURATION]: 1,
      [MESSAGES]: 2,
      "weir.batch.size": 2,
    });
  });

  it("instrumentBatch() counts the items of a batch with a size, and otherwise only its time", async (telemetry) => {
    const { meter, tracer, numbers } = telemetry;
    const options = { destination: "sums", meter, tracer };
    instrumentBatch((set: Set<number>) => set.size, options)(new Set([1, 2]));
    assertEquals(await numbers(), { [DURATION]: 1, [MESSAGES]: 2, "weir.batch.size": 1 });
    instrumentBatch((sum: number) => sum, options)(3);
    assertEquals(await numbers(), { [DURATION]: 2, [MESSAGES]: 2, "weir.batch.size": 1 });
  });

  it("instrument() exports how long an item waited, with a maxWait", async (telemetry) => {
    const { meter, tracer, collect } = telemetry;
    const handler = instrument((n: number, _: { readonly waited: number | undefined }) => n, {
      destination: "numbers",
      meter,
      tracer,
    });
    handler(1, { waited: 1500 });
    handler(1, { waited: undefined });
    await using sink = new Fanout(handler, { maxWait: Infinity });
    await sink.submit(1);
    const metrics = await collect();
    const wait = metrics.find(({ descriptor }) => descriptor.name === "weir.queue.wait.duration")!;
    assertEquals(wait.descriptor.unit, "s");
    const { count, sum } = wait.dataPoints[0]!.value as Distribution;
    assertEquals([count, Math.floor(sum * 2)], [2, 3]);
  });

  it("instrument() makes a span for each attempt of a retry", async ({ meter, tracer, spans }) => {
    await using sink = new Fanout(
      instrument((n: number, { attempt }) => {
        if (attempt < 3) throw new Error("busy");
        return n;
      }, { destination: "numbers", meter, tracer }),
      { retry: () => 0 },
    );
    assertEquals(await sink.submit(7), 7);
    assertEquals(spans().map(({ attributes }) => attributes["weir.attempt"]), [undefined, 2, 3]);
  });

  it("a Carried made by hand has the given span", () => {
    const from = { traceId: "1".repeat(32), spanId: "2".repeat(16), traceFlags: 1 };
    const { value, spanContext } = new Carried(undefined, from);
    assertEquals([value, spanContext], [undefined, from]);
    assertEquals(carry(1), new Carried(1));
    return Promise.resolve();
  });

  it("instrument() names a wrong option", ({ meter }) => {
    const wrong = (handler: unknown, options: object, text: string) => {
      const call = handler as (n: number) => void;
      for (const wrap of [instrument, instrumentBatch]) {
        const error = assertThrows(() => wrap(call, options as { destination: string }));
        assert(error instanceof TypeError || error instanceof RangeError);
        assert(error.message.includes(text), error.message);
        assert(error.message.startsWith(`${wrap.name}: `), error.message);
      }
    };
    wrong(1, { destination: "a" }, 'option "handler" must be a function; got 1');
    wrong(() => {}, { meter }, 'option "destination" must be a string that is not empty');
    wrong(() => {}, { destination: "" }, 'got ""');
    wrong(() => {}, { destination: "a", spanOf: 1 }, 'option "spanOf" must be a function; got 1');
    wrong(() => {}, { destination: "a", tracer: meter }, 'option "tracer" must be a Tracer');
    wrong(() => {}, { destination: "a", size: 1 }, 'unknown option "size"');
    return Promise.resolve();
  });
}

/** Calls `push` for each item in a separate span. Returns the spans. */
function within(
  tracer: Telemetry["tracer"],
  items: readonly string[],
  push: (item: string) => void,
): Record<string, SpanContext> {
  return Object.fromEntries(items.map((item) => {
    const span = tracer.startSpan(`request ${item}`);
    context.with(trace.setSpan(context.active(), span), push, undefined, item);
    span.end();
    return [item, span.spanContext()];
  }));
}

function parentOf({ parentSpanContext }: EndedSpan): string | undefined {
  return parentSpanContext?.spanId;
}

function idOf(context: unknown): string {
  return (context as SpanContext).spanId;
}
