/** A process that publishes places from a JSON file, and prints how many. */

import { jetstream } from "@nats-io/jetstream";
import process from "node:process";
// In your project: from "@weir/nats".
import { JetStreamSink } from "../../packages/nats/mod.ts";
import { PlaceFile } from "../ingest/places.ts";
import type { Row } from "./rows.ts";
import { open } from "./stream.ts";

const [url, input, limit] = process.argv.slice(2);
const connection = await open(url!);
const file = await PlaceFile.open(input!);

const total = { rows: 0, sum: 0 };
async function* messages() {
  for await (const place of file.read(Number(limit), new AbortController().signal, () => {})) {
    const row: Row = {
      id: file.records,
      name: place.name,
      latitude: Math.round(place.lat * 100_000),
    };
    total.rows++;
    total.sum += row.latitude;
    // With this id the server stores a row once, even if it is published again after a failure.
    yield { subject: "places", data: JSON.stringify(row), msgID: `place-${row.id}` };
  }
}

// At most 256 messages are on their way. A message that fails is sent again. One that fails for good ends the
// program.
const sink = new JetStreamSink(jetstream(connection));
const report = () => console.log(JSON.stringify({ rows: sink.stats.done }));
const timer = setInterval(report, 200);
await sink.consume(messages());
await sink.close();
clearInterval(timer);
report();
console.log(JSON.stringify({ total }));
await connection.close();
