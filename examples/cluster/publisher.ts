/** A process that publishes places: those of a JSON file, as many as are wanted. Prints what it has done. */

import { jetstream } from "@nats-io/jetstream";
import process from "node:process";
// In a project of yours: from "@weir/nats".
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
    // The id is the row's: published again after a failure, it is stored once.
    yield { subject: "places", data: JSON.stringify(row), msgID: `place-${row.id}` };
  }
}

// At most 256 are on their way. A failure is tried again; what fails for good ends the program.
const sink = new JetStreamSink(jetstream(connection));
const report = () => console.log(JSON.stringify({ rows: sink.stats.done }));
const timer = setInterval(report, 200);
await sink.consume(messages());
await sink.close();
clearInterval(timer);
report();
console.log(JSON.stringify({ total }));
await connection.close();
