/**
 * The need: Prometheus scrapes the process with prom-client, and should see the queues, too. Their
 * `stats` are read when it does, so an item costs nothing.
 *
 * With OpenTelemetry take `@weir/opentelemetry`, whose metrics have the same names.
 */

import { Counter, Gauge, Registry } from "prom-client";
// In a project of yours: from "@weir/streams".
import { Fanout, type SinkStats } from "../../mod.ts";

/** What there is of the stats now. */
const LEVELS = ["waiting", "running", "blocked", "overrunning"] as const;
/** What there has been so far. */
const TOTALS = ["accepted", "done", "failed", "discarded", "refused", "retried"] as const;

/**
 * Registers gauges and counters of some sinks, such as `weir_queue_waiting` and
 * `weir_queue_done_total`, with the label `weir_name`. The sinks are those in `sinks` when Prometheus
 * asks: add a sink, or take it out, at any time. What is taken out loses its series.
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
        // A counter can only be added to: from 0, anew each time.
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
  console.log(await registry.metrics()); // what a server answers at /metrics
}
