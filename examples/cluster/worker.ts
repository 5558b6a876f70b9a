/**
 * A process that takes rows from the stream and writes them to SQLite, in batches. Run as many as you like. At
 * SIGTERM it reads no more, writes the rows that it has, and ends.
 */

import { jetstream } from "@nats-io/jetstream";
import process from "node:process";
// In your project: from "@weir/streams", and from "@weir/nats".
import { backoff, BatchStream, Fanout } from "../../mod.ts";
import { acked } from "../../packages/nats/delivery.ts";
import { type JetStreamDelivery, jetStreamSource } from "../../packages/nats/mod.ts";
import { type Row, RowTable } from "./rows.ts";
import { CONSUMER, flushed, open, STREAM } from "./stream.ts";

const [url, database] = process.argv.slice(2);
const connection = await open(url!);
const table = new RowTable(database!);
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());

const count = { written: 0, again: 0, known: 0 };

// A batch is acknowledged when this returns. If the process dies before that, other processes get its rows
// again. So writing a row twice must do no harm.
const write = acked((batch: JetStreamDelivery[]) => {
  const added = table.insert(batch.map(({ value }) => value.json<Row>()));
  count.written += added;
  count.again += batch.filter(({ deliveries }) => deliveries > 1).length;
  count.known += batch.length - added;
});

const report = () => console.log(JSON.stringify(count));
const timer = setInterval(report, 200);
const consumer = await jetstream(connection).consumers.get(STREAM, CONSUMER);
await jetStreamSource(consumer, { connection, maxMessages: 1000, signal: stop.signal })
  .pipeThrough(new BatchStream({ maxItems: 500, linger: 100 }))
  .pipeTo(new Fanout(write, write.options({ concurrency: 2, capacity: 2, retry: backoff() })));
clearInterval(timer);
report();
table.close();
await flushed(connection); // the server has got the last acknowledgement
await connection.close();
