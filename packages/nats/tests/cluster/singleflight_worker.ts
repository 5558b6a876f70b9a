/**
 * A process that calls a `DistributedSingleflight`. It reads requests and prints events, as lines
 * of JSON.
 */

import { connect } from "@nats-io/transport-node";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { DistributedSingleflight } from "../../../../examples/cluster/distributed_singleflight.ts";

/** A request to such a process. */
export interface Ask {
  readonly keys: readonly string[];
  /** The number of callers for each key. */
  readonly callers: number;
  /** The length of an execution, in milliseconds. */
  readonly work: number;
  /** The execution fails. */
  readonly fail?: boolean;
}

/** An event that the process prints. */
export type Event =
  | { readonly event: "ready" | "done" }
  | { readonly event: "execute"; readonly key: string; readonly revision: number }
  | { readonly event: "result"; readonly key: string; readonly results: readonly string[] };

const [url, options] = process.argv.slice(2);
const print = (event: Event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const connection = await connect({ servers: url!, maxReconnectAttempts: -1 });
const flights = await DistributedSingleflight.open<string>(connection, JSON.parse(options!));

async function ask({ keys, callers, work, fail }: Ask): Promise<void> {
  await Promise.all(keys.map(async (key) => {
    const calls = Array.from(
      { length: callers },
      () =>
        flights.do(key, async ({ revision }) => {
          print({ event: "execute", key, revision });
          await sleep(work);
          if (fail) throw new Error("broken");
          return `${key} by ${process.pid} at ${revision}`;
        }).catch((error) => `${error}`),
    );
    print({ event: "result", key, results: [...new Set(await Promise.all(calls))] });
  }));
  print({ event: "done" });
}

print({ event: "ready" });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "end") break;
  ask(JSON.parse(line));
}
flights.close();
await connection.close();
process.stdin.destroy();
