/** Tests, for an SDK, that the exports match the table. */

import { assert, assertEquals } from "@std/assert";
import {
  Aggregator,
  BatchStream,
  Fanout,
  FixedChunkStream,
  MapStream,
  Singleflight,
  ThrottleStream,
} from "../../../mod.ts";
import { test } from "../../../tests/support/test.ts";
import { instrument, instrumentBatch, observe } from "../mod.ts";
import { METRICS } from "../src/metrics.ts";
import { type CollectedMetric, type Sdk, withSdk } from "./sdk.ts";

/** The names of the data types: 0 is a histogram, 3 a sum. */
const HISTOGRAM = 0;
const SUM = 3;

/** Registers the tests. */
export function conforming(sdk: Sdk): void {
  test(`${sdk.name}: the table lists exactly the exported metrics`, () =>
    withSdk(sdk, async ({ meter, tracer, collect }) => {
      const own = { region: "eu" };
      const options = { destination: "all", attributes: own, meter, tracer };
      const handler = instrument((n: number) => {
        if (n === 2) throw new Error("2");
      }, options);
      const entries = (ids: number[]) => ids.map((id) => id === 2 ? new Error("2") : id);
      const sinks = [
        new Fanout(handler, { maxWait: Infinity, onError: () => {} }),
        new Aggregator(instrumentBatch(entries, options), { maxItems: 3, onError: () => {} }),
      ];
      const targets = [
        ...sinks,
        new BatchStream<number>(2),
        new FixedChunkStream(2),
        new MapStream<number, void>(handler),
        new ThrottleStream<number>({ interval: 1 }),
        new Singleflight(),
      ];
      for (const target of targets) observe(target, { name: "all", attributes: own, meter });
      for (const sink of sinks) {
        await sink.consume([1, 2, 3]);
        await sink.close();
      }
      const metrics = new Map((await collect()).map((metric) => [metric.descriptor.name, metric]));
      assertEquals([...metrics.keys()].sort(), METRICS.map(({ name }) => name).sort());
      for (const { name, kind, unit, description, attributes } of METRICS) {
        const metric = metrics.get(name)!;
        assertEquals([metric.descriptor.unit, metric.descriptor.description], [unit, description]);
        assertEquals(kindOf(metric), kind, name);
        for (const point of metric.dataPoints) {
          const known = new Set([...attributes, ...Object.keys(own)]);
          const keys = new Set(Object.keys(point.attributes));
          assert(keys.isSubsetOf(known), `${name}: ${[...keys]}`);
          const required = [...known].filter((key) => key !== "error.type");
          assert(keys.isSupersetOf(new Set(required)), `${name}: ${[...keys]}`);
        }
      }
      // All targets of one shape have the same name, and are added up.
      assertEquals(metrics.get("weir.queue.accepted")!.dataPoints.map(({ value }) => value), [6]);
    }));
}

function kindOf({ dataPointType, isMonotonic }: CollectedMetric): string {
  if (dataPointType === HISTOGRAM) return "histogram";
  assertEquals(dataPointType, SUM);
  return isMonotonic ? "total" : "level";
}
