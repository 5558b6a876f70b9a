/** Tests, for an SDK, of `observe`. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  Aggregator,
  BatchStream,
  ChunkStream,
  Fanout,
  FixedChunkStream,
  MapStream,
  Singleflight,
  throttle,
  ThrottleStream,
} from "../../../mod.ts";
import { collectGarbage } from "../../../tests/support/garbage.ts";
import { gate, microtasks, turn } from "../../../tests/support/gate.ts";
import { Hand } from "../../../tests/support/hand.ts";
import { test } from "../../../tests/support/test.ts";
import { observe } from "../mod.ts";
import { BYTES, FLIGHT, type Metrics, QUEUE } from "../src/metrics.ts";
import { type Sdk, withSdk } from "./sdk.ts";

/** Registers the tests. */
export function observing(sdk: Sdk): void {
  const named = (name: string, stats: object, metrics: Metrics) =>
    Object.fromEntries(
      Object.entries(stats).map((
        [key, value],
      ) => [`${metrics[key]!.name} weir.name=${name}`, value]),
    );

  test(`${sdk.name}: observe() exports each number of a sink's stats, and its concurrency`, () =>
    withSdk(sdk, async ({ meter, numbers }) => {
      const hand = new Hand<number>();
      const sink = new Fanout(hand.handler, {
        concurrency: 2,
        capacity: 2,
        onError: () => {},
        retry: (_error, attempt) => attempt === 1 ? 0 : undefined,
      });
      observe(sink, { name: "mails", meter });
      const read = async () => {
        const all = await numbers();
        assertEquals(all, named("mails", { ...sink.stats, concurrency: 2 }, QUEUE));
        return all;
      };
      for (let n = 0; n < 5; n++) sink.tryPush(n);
      const blocked = sink.push(5);
      const busy = await read();
      assertEquals(busy["weir.queue.running weir.name=mails"], 2);
      assertEquals(busy["weir.queue.waiting weir.name=mails"], 2);
      assertEquals(busy["weir.queue.blocked weir.name=mails"], 1);
      assertEquals(busy["weir.queue.refused weir.name=mails"], 1);
      hand.call(0).reject(new Error("again"));
      await turn();
      await turn();
      hand.calls[1]!.reject(new Error("again"));
      while (sink.stats.retried < 2) await turn();
      for (let calls = 0; sink.stats.waiting + sink.stats.running > 0; calls++) {
        if (calls > 20) throw new Error(JSON.stringify(sink.stats));
        for (const call of hand.calls) call.reject(new Error("for good"));
        await turn();
      }
      await blocked;
      const rest = await read();
      assert(Number(rest["weir.queue.failed weir.name=mails"]) > 0);
      assert(Number(rest["weir.queue.retried weir.name=mails"]) > 1);
      await sink.close();
    }));

  test(`${sdk.name}: observe() recognizes every sink and stream by its stats`, () =>
    withSdk(sdk, async ({ meter, numbers }) => {
      const targets = {
        aggregator: new Aggregator((_: number[]) => {}, { maxItems: 2 }),
        batches: new BatchStream<number>(2),
        chunks: new ChunkStream<string>(2),
        map: new MapStream<number, number>((n) => n),
        throttled: new ThrottleStream<number>({ interval: 1000 }),
        throttle: throttle((_: number) => {}, { interval: 1000 }),
      };
      for (const [name, target] of Object.entries(targets)) observe(target, { name, meter });
      for (const n of [1, 2, 3]) targets.aggregator.tryPush(n);
      targets.throttle(1);
      targets.throttle(2);
      const { concurrency } = targets.aggregator;
      assertEquals(await numbers(), {
        ...named("aggregator", { ...targets.aggregator.stats, concurrency }, QUEUE),
        ...named("batches", targets.batches.stats, QUEUE),
        ...named("chunks", targets.chunks.stats, QUEUE),
        ...named("map", targets.map.stats, QUEUE),
        ...named("throttled", targets.throttled.stats, QUEUE),
        ...named("throttle", targets.throttle.stats, QUEUE),
      });
      assertEquals(targets.aggregator.stats.batches, 1);
      assertEquals(targets.throttle.stats.dropped, 1);
      await targets.aggregator.close();
    }));

  test(`${sdk.name}: observe() exports the stats of a FixedChunkStream as bytes`, () =>
    withSdk(sdk, async ({ meter, numbers, collect }) => {
      const stream = new FixedChunkStream({ size: 4 });
      observe(stream, { name: "parts", meter });
      const writer = stream.writable.getWriter();
      const written = writer.write(new Uint8Array(3));
      await turn();
      assertEquals(stream.stats.waiting, 3);
      assertEquals(await numbers(), named("parts", stream.stats, BYTES));
      const units = (await collect()).map(({ descriptor }) => descriptor.unit);
      assertEquals(new Set(units), new Set(["By"]));
      await written;
      await writer.abort();
    }));

  test(`${sdk.name}: observe() exports executions, shared calls and hits of a Singleflight`, () =>
    withSdk(sdk, async ({ meter, numbers }) => {
      const flight = new Singleflight<string, number>({ cache: new Map() });
      observe(flight, { name: "rates", meter });
      const { promise, resolve } = gate<number>();
      const calls = [1, 2, 3].map(() => flight.do("CHF", () => promise));
      assertEquals(await numbers(), named("rates", flight.stats, FLIGHT));
      resolve(1);
      await Promise.all(calls);
      await flight.do("CHF", () => 2);
      assertEquals(flight.stats, { running: 0, executions: 1, shared: 2, hits: 1 });
      assertEquals(await numbers(), named("rates", flight.stats, FLIGHT));
    }));

  test(`${sdk.name}: observe() exports the given attributes`, () =>
    withSdk(sdk, async ({ meter, collect }) => {
      const flight = new Singleflight();
      observe(flight, { name: "rates", attributes: { region: "eu" }, meter });
      for (const { dataPoints } of await collect()) {
        assertEquals(dataPoints.map(({ attributes }) => attributes), [
          { region: "eu", "weir.name": "rates" },
        ]);
      }
    }));

  test(`${sdk.name}: observe() reads stats when metrics are collected, once, and nothing else`, () =>
    withSdk(sdk, async ({ meter, numbers }) => {
      const reads: PropertyKey[] = [];
      const sink = new Fanout((n: number) => n);
      const spy = new Proxy(sink, {
        get(target, key) {
          reads.push(key);
          return Reflect.get(target, key, target);
        },
      });
      observe(spy, { name: "spied", meter });
      reads.length = 0;
      await sink.consume([1, 2, 3]);
      assertEquals(reads, []);
      await numbers();
      await numbers();
      assertEquals(reads, ["stats", "concurrency", "stats", "concurrency"]);
    }));

  for (const delta of [false, true]) {
    const kind = delta ? "delta" : "cumulative";
    test(`${sdk.name}: observe() adds up objects with one name, and a ${kind} total never falls`, () =>
      withSdk(sdk, async ({ meter, numbers }) => {
        let before = 0;
        const done = async () => {
          const all = await numbers();
          const value = Number(all["weir.queue.done weir.name=job"]);
          const total = delta ? before + value : value;
          assert(total >= before, `${total} after ${before}`);
          // The level of an observable instrument is exported unchanged.
          if (!delta) assertEquals(all["weir.queue.waiting weir.name=job"], 0);
          return before = total;
        };
        const first = new Fanout((n: number) => n);
        const second = new Fanout((n: number) => n);
        const observation = observe(first, { name: "job", meter });
        observe(second, { name: "job", meter });
        await first.consume([1, 2, 3]);
        await second.consume([1]);
        assertEquals(await done(), 4);
        await first.consume([4]);
        observation.stop();
        await microtasks();
        await first.consume([5, 6, 7]);
        assertEquals(await done(), 5);
        const third = new Fanout((n: number) => n);
        observe(third, { name: "job", meter });
        await third.consume([1, 2]);
        assertEquals(await done(), 7);
        // All three are alive until here.
        assertEquals([first, second, third].map(({ stats }) => stats.done), [7, 1, 2]);
      }, { delta }));
  }

  test(`${sdk.name}: observe() counts the items that a sink drains after stop(), and then drops its levels`, () =>
    withSdk(sdk, async ({ meter, numbers }) => {
      const hand = new Hand<number>();
      const sink = new Fanout(hand.handler, { concurrency: 1 });
      {
        using _observation = observe(sink, { name: "job", meter });
        for (const n of [1, 2]) sink.tryPush(n);
      }
      const closed = sink.close();
      for (const n of [1, 2]) {
        assertEquals((await numbers())["weir.queue.running weir.name=job"], 1);
        hand.call(n).resolve(0);
        await turn();
      }
      await closed;
      const all = await numbers();
      assertEquals(all["weir.queue.done weir.name=job"], 2);
      assertEquals(all["weir.queue.running weir.name=job"], 0);
      assertEquals(all["weir.queue.concurrency weir.name=job"], 0);
    }));

  test(`${sdk.name}: observe() keeps no dropped object alive, and keeps its totals`, () =>
    withSdk(sdk, async ({ meter, numbers }) => {
      const traces: WeakRef<object>[] = [];
      const live = async () => {
        const sink = new Fanout((n: number) => n);
        traces.push(new WeakRef(sink));
        observe(sink, { name: "dropped", meter });
        await sink.consume([1, 2]);
        await numbers();
      };
      for (let round = 0; round < 32; round++) await live();
      await collectGarbage();
      // A conservative collector may keep some.
      const left = traces.filter((trace) => trace.deref()).length;
      assert(left <= 8, `${left} are left`);
      assertEquals((await numbers())["weir.queue.done weir.name=dropped"], 64);
    }));

  test(`${sdk.name}: observe() leaves an unhandled failure unhandled`, () =>
    withSdk(sdk, async ({ meter, numbers }) => {
      const target = {
        stats: new Fanout(() => {}).stats,
        get closed(): never {
          throw new Error("closed rejects after it is taken");
        },
      };
      const observation = observe(target, { name: "stub", meter });
      await numbers();
      observation.stop();
      await numbers();
    }));

  test(`${sdk.name}: observe() names a wrong option, and a wrong target`, () =>
    withSdk(sdk, async ({ meter }) => {
      const sink = new Fanout(() => {});
      const wrong = (options: object, error: typeof TypeError | typeof RangeError, text: string) =>
        void assertThrows(() => observe(sink, options as { name: string }), error, text);
      wrong(
        { meter },
        TypeError,
        'option "name" must be a string that is not empty; got undefined',
      );
      wrong({ name: "", meter }, RangeError, 'got ""');
      wrong({ name: "a", meter: {} }, TypeError, 'option "meter" must be a Meter; got an object');
      wrong({ name: "a", attributes: null }, TypeError, '"attributes" must be an object');
      wrong({ name: "a", label: 1 }, TypeError, 'unknown option "label"; there are name');
      wrong(null!, TypeError, "options must be a plain object; got null");
      for (const target of [undefined, {}, { stats: null }, { stats: { accepted: 1 } }]) {
        assertThrows(
          () => observe(target as { stats: object }, { name: "a", meter }),
          TypeError,
          "observe: the target must have the stats of a sink, a stream or a flight; got ",
        );
      }
      await sink.close();
    }));
}
