/** Tests, for an SDK, that failing telemetry does not change a handler. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { context, diag, ROOT_CONTEXT, SpanStatusCode } from "@opentelemetry/api";
import { Aggregator, Fanout } from "../../../mod.ts";
import { turn } from "../../../tests/support/gate.ts";
import { rejection } from "../../../tests/support/hand.ts";
import { test } from "../../../tests/support/test.ts";
import { carry, instrument, instrumentBatch, snapshot } from "../mod.ts";
import { type Sdk, type Telemetry, withDiag, withSdk } from "./sdk.ts";

/** The methods of the API that an instrumented handler calls. */
const CALLED = [
  ...["startSpan", "setAttribute", "setStatus", "recordException", "end"],
  ...["createHistogram", "createCounter", "record", "add"],
];

/** Registers the tests. */
export function guarding(sdk: Sdk): void {
  const it = (
    what: string,
    body: (telemetry: Telemetry, told: readonly unknown[]) => Promise<void>,
  ) =>
    test(
      `${sdk.name}: ${what}`,
      () => withDiag((told) => withSdk(sdk, (telemetry) => body(telemetry, told))),
    );

  for (const method of CALLED) {
    it(
      `a handler runs once, and its result is passed on, when ${method}() throws`,
      async (telemetry, told) => {
        const options = {
          destination: "things",
          meter: broken(telemetry.meter, method),
          tracer: broken(telemetry.tracer, method),
        };
        const error = new Error("mine");
        let calls = 0;
        const handler = (way: string): unknown => {
          calls++;
          if (way === "throw") throw error;
          return way === "reject" ? Promise.reject(error) : way;
        };
        const sink = new Fanout(instrument(handler, options), {
          maxWait: Infinity,
          retry: (given) => given === error ? undefined : 0,
        });
        assertEquals(await sink.submit("value"), "value");
        for (const way of ["throw", "reject"]) {
          assertStrictEquals(await rejection(sink.submit(way)), error);
        }
        await sink.close();
        assertEquals(calls, 3);
        const entries = (batch: number[]) => (calls++, batch.map((n) => n > 0 ? n : error));
        const rows = new Aggregator(instrumentBatch(entries, options), { linger: 0 });
        const [one, two] = [rows.submit(1), rejection(rows.submit(0))];
        assertEquals([await one, await two], [1, error]);
        await rows.close();
        assertEquals(calls, 4);
        assert(told.includes(`${method} fails`), told.join());
        if (!["startSpan", "end"].includes(method)) assertEquals(telemetry.spans().length, 4);
      },
    );
  }

  it("a handler runs once when a span processor throws", async ({ meter, tracer, spans }, told) => {
    const push = (): never => {
      throw new Error("the processor fails");
    };
    Object.assign(spans(), { push });
    let calls = 0;
    const handler = instrument((n: number) => (calls++, n), { destination: "n", meter, tracer });
    await using sink = new Fanout(handler, { retry: () => 0 });
    assertEquals([await sink.submit(1), calls], [1, 1]);
    assertEquals(told, ["the processor fails"]);
  });

  it(
    "an error that throws at a look at it is passed on, and its span ends",
    async (telemetry, told) => {
      const { meter, tracer, spans, numbers } = telemetry;
      const options = { destination: "things", meter, tracer };
      const errors = [hostile("name"), hostile("message"), revoked()];
      const handler = (place: number): unknown => {
        if (place < errors.length) throw errors[place];
        return Promise.reject(errors[place - errors.length]);
      };
      await using sink = new Fanout(instrument(handler, options));
      for (const place of [0, 1, 2, 3, 4, 5]) {
        const same = (error: unknown) => error === errors[place % 3];
        assertEquals(await sink.submit(place).then(() => false, same), true);
      }
      assertEquals(spans().map(({ status }) => status.code), Array(6).fill(SpanStatusCode.ERROR));
      assert(told.length > 0);
      const entries = (
        _: number[],
      ): unknown[] => [errors[0], Promise.resolve(errors[1]), errors[2]];
      instrumentBatch(entries, options)([1, 2, 3]);
      await sink.idle();
      assertEquals((await numbers())["messaging.process.duration error.type=_OTHER"], 4);
    },
  );

  it("a result whose then throws fails as without telemetry, and its span ends", async (telemetry) => {
    const { meter, tracer, spans } = telemetry;
    const error = new Error("then");
    const result = {
      get then(): never {
        throw error;
      },
    };
    await using sink = new Fanout(
      instrument((_: number) => result as unknown, { destination: "n", meter, tracer }),
    );
    assertStrictEquals(await rejection(sink.submit(1)), error);
    const odd = Object.defineProperty(Promise.resolve(2), "constructor", {
      get: () => {
        throw error;
      },
    });
    const handler = instrument(() => odd, { destination: "n", meter, tracer });
    assertStrictEquals(await rejection(handler()), error);
    assertEquals(spans().map(({ status }) => status.message), ["then", "then"]);
  });

  it(
    "an item whose spanOf throws has no span, and the others keep theirs",
    async (telemetry, told) => {
      const { meter, tracer, spans } = telemetry;
      const far = { traceId: "1".repeat(32), spanId: "2".repeat(16), traceFlags: 1 };
      const spanOf = (n: number) => {
        if (n === 1) throw new Error("no header");
        return far;
      };
      const options = { destination: "n", spanOf, meter, tracer };
      await using sink = new Fanout(instrument((n: number) => n, options));
      assertEquals(await sink.submit(1), 1);
      instrumentBatch((_: number[]) => {}, options)([1, 2]);
      assertEquals(spans().map(({ links }) => links.map(({ context }) => context.spanId)), [
        [],
        [far.spanId],
      ]);
      assertEquals(told, ["no header", "no header"]);
    },
  );

  it("a batch whose size throws is handled", ({ meter, tracer, spans }, told) => {
    const batch = {
      get size(): never {
        throw new Error("size");
      },
    };
    const handler = instrumentBatch((_: typeof batch) => 7, { destination: "n", meter, tracer });
    assertEquals([handler(batch), spans().length, told], [7, 1, ["size"]]);
    return Promise.resolve();
  });

  it("an entry whose own then returns nothing counts by its outcome", async (telemetry) => {
    const { meter, tracer, spans, numbers } = telemetry;
    const then = (resolve: (value: number) => void): void => resolve(1);
    const entry = Object.assign(Promise.resolve(1), { then });
    instrumentBatch((_: number[]) => [entry], { destination: "n", meter, tracer })([1]);
    await turn();
    assertEquals((await numbers())["messaging.client.consumed.messages"], 1);
    assertEquals(spans()[0]!.attributes["weir.batch.failed"], undefined);
  });

  for (const when of ["before", "after", "instead"]) {
    it(`a handler runs once when a context manager throws ${when}`, async (telemetry, told) => {
      const { meter, tracer } = telemetry;
      context.disable();
      const fails = (): never => {
        throw new Error("the manager fails");
      };
      const manager = {
        active: when === "instead" ? fails : () => ROOT_CONTEXT,
        with: (_: unknown, run: () => void) => (when === "after" && run(), fails()),
        enable: () => manager,
        disable: () => manager,
      };
      context.setGlobalContextManager(manager as never);
      let calls = 0;
      const handler = instrument(({ value }: { readonly value: number }) => (calls++, value), {
        destination: "n",
        meter,
        tracer,
      });
      await using sink = new Fanout(handler, { snapshot });
      assertEquals([await sink.submit(carry(1)), calls], [1, 1]);
      assertEquals(new Set(told), new Set(["the manager fails"]));
    });
  }

  it("a logger that throws changes nothing", async ({ meter, tracer }, told) => {
    const log = (): never => {
      throw new Error("the logger fails");
    };
    diag.setLogger({ error: log, warn: log, info: log, debug: log, verbose: log }, {
      suppressOverrideMessage: true,
    });
    await using sink = new Fanout(
      instrument((n: number) => n, { destination: "n", meter, tracer: broken(tracer, "end") }),
    );
    assertEquals([await sink.submit(1), told], [1, []]);
  });
}

/** An object, and all objects that it makes, with one method that throws. */
function broken<T extends object>(target: T, method: string): T {
  return new Proxy(target, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (key === method) throw new Error(`${method} fails`);
        const made: unknown = value.apply(target, args);
        return typeof made === "object" && made !== null ? broken(made, method) : made;
      };
    },
  });
}

function hostile(key: string): Error {
  return Object.defineProperty(new Error("hostile"), key, {
    get: () => {
      throw new Error(key);
    },
  });
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
