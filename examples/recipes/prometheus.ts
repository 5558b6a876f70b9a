/**
 * The need: Prometheus scrapes your process with prom-client, and you want to see your queues there.
 *
 * The idea: a gauge or counter reads the `stats` of your sinks when Prometheus asks. So the metrics cost
 * nothing for an item. The series have names such as `weir_queue_waiting` and `weir_queue_done_total`, and a
 * label with the name of the sink.
 *
 * The limits:
 *
 * - The metrics are counts. They have no histogram of times.
 * - Two registrations in one registry fail, because their names are the same. Register once, and add sinks to
 *   the map.
 *
 * Next: [@weir/opentelemetry](../../packages/opentelemetry/README.md) has metrics with the same names, and
 * traces.
 */

import { Counter, Gauge, Registry } from "prom-client";
// In your project: from "@weir/streams".
import { Fanout, type SinkStats } from "../../mod.ts";

/** Stats that go up and down. */
const LEVELS = ["waiting", "running", "blocked", "overrunning"] as const;
/** Stats that only go up. */
const TOTALS = ["accepted", "done", "failed", "discarded", "refused", "retried"] as const;

/**
 * Registers gauges and counters for sinks. The label `weir_name` is the key in `sinks`. You may add a sink to
 * the map, or delete one, at any time. A sink that you delete loses its series.
 */
export function register(
  registry: Registry,
  sinks: ReadonlyMap<string, { readonly stats: SinkStats }>,
): void {
  const registers = [registry];
  const labelNames = ["weir_name"];
  for (const key of LEVELS) {
    new Gauge({
      name: `weir_queue_${key}`,
      help: `Items that are ${key} now`,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const [name, { stats }] of sinks) this.set({ weir_name: name }, stats[key]);
      },
    });
  }
  for (const key of TOTALS) {
    new Counter({
      name: `weir_queue_${key}_total`,
      help: `Items that were ${key} so far`,
      labelNames,
      registers,
      collect() {
        // A counter can only go up, so this starts from 0 each time.
        this.reset();
        for (const [name, { stats }] of sinks) this.inc({ weir_name: name }, stats[key]);
      },
    });
  }
}

if (import.meta.main) {
  const registry = new Registry();
  const mails = new Fanout(() => new Promise(() => {}), { concurrency: 2, capacity: 3 });
  register(registry, new Map([["mails", mails]]));
  for (let n = 0; n < 10; n++) mails.tryPush(n);
  console.log(await registry.metrics()); // your server answers this at /metrics
}
