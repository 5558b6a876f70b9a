/** Sinks in which the stack overflows, because the code around them has used it up. */

import { Aggregator, Fanout } from "../../mod.ts";
import { type Case, turn } from "./case.ts";

type Sink = Fanout<number> | Aggregator<number>;

const sinks: Record<string, () => Sink> = {
  "a Fanout": () => new Fanout(() => {}, { concurrency: 4 }),
  "an Aggregator": () => new Aggregator(() => {}, { maxItems: 7 }),
};

const calls: Record<string, (sink: Sink) => void> = {
  tryPush: () => {},
  concurrency: (sink) => void (sink.concurrency = sink.concurrency === 4 ? 5 : 4),
};

/** Calls the sink at each level of the way back from an overflow. */
async function overflow(make: () => Sink, call: (sink: Sink) => void): Promise<void> {
  // Otherwise Deno would load its timers while the stack is full, which breaks them.
  await turn();
  const sink = make();
  let told = 0;
  let budget = 300;
  const recurse = (): void => {
    try {
      recurse();
    } catch {
      // The overflow is expected.
    }
    if (budget === 0) return;
    try {
      sink.tryPush(1);
      budget--;
      call(sink);
    } catch {
      if (++told === 20_000) budget = 0;
    }
  };
  recurse();
  let ended: unknown;
  const closed = sink.close().then(() => ended = "closed", (error) => ended = error);
  for (let turns = 0; turns < 100 && !ended; turns++) await turn();
  if (!ended) console.log("hangs", sink.stats);
  else await closed;
  // In Firefox it is an `InternalError`.
  console.log(ended === "closed" || /call stack|recursion/.test(String(ended)));
  const { accepted, waiting, running, done, discarded, failed } = sink.stats;
  console.log(waiting === 0 && accepted === running + done + discarded + failed);
}

// Each in its own process: when the engine has compiled the code, it takes less of the stack.
export const overflows: readonly Case[] = Object.entries(sinks).flatMap(([name, make]) =>
  Object.entries(calls).map(([call, run]): Case => ({
    name: `${name} ends when the stack overflows in ${call}, and counts every item [5.34]`,
    alone: true,
    run: () => overflow(make, run),
    prints: ["true", "true"],
  }))
);
