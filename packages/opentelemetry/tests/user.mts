/** A user's program with `@weir/opentelemetry`, which is compiled. */

import { context, metrics, trace } from "@opentelemetry/api";
import {
  type Carried,
  carry,
  instrument,
  instrumentBatch,
  type Observation,
  observe,
  snapshot,
} from "@weir/opentelemetry";
import { Aggregator, BatchStream, Fanout, MapStream, Singleflight } from "@weir/streams";

const meter = metrics.getMeter("user");
const tracer = trace.getTracer("user");

const mails = new Fanout(
  instrument((to: string, { signal, attempt }) => {
    signal.throwIfAborted();
    return Promise.resolve(to.length + attempt.toFixed().length);
  }, { destination: "mails", meter, tracer }),
  { concurrency: 4, snapshot },
);
export const length: Promise<number> = mails.submit("ada");

const users = new Aggregator(
  instrumentBatch((ids: Carried<number>[]) => ids.map(({ value }) => `user ${value}`), {
    destination: "users",
    spanOf: (id) => id.spanContext ?? trace.getSpanContext(context.active()),
  }),
  { linger: 0 },
);
export const user: Promise<string> = users.submit(carry(1));

export const observations: Observation[] = [
  observe(mails, { name: "mails", meter }),
  observe(users, { name: "users", attributes: { region: "eu" } }),
  observe(new Singleflight<string, number>(), { name: "rates" }),
  observe(new BatchStream<string>(10), { name: "rows" }),
  observe(
    new MapStream<string, number>(instrument((s: string) => s.length, { destination: "a" })),
    {
      name: "lengths",
    },
  ),
];
for (const observation of observations) observation.stop();
