/** What must hold at every frame: the sums of `stats`, and the bounds. */

import type { Pipeline } from "./pipeline.ts";

/** Something that must hold. */
export interface Check {
  readonly id: string;
  readonly holds: boolean;
  /** Terms that are shown with their values, and the signs between them. */
  readonly terms: readonly (readonly [sign: string, name: string, value: number])[];
}

/** All that must hold, at this moment. */
export function checks(pipeline: Pipeline): Check[] {
  const { settings, ends, emitted, offered, handed, running } = pipeline;
  const batch = pipeline.batching.stats;
  const sink = pipeline.sink.stats;
  const ended = ends.done + ends.failed + ends.discarded + ends.unaccepted;
  let onTheWay = offered.length;
  for (const each of [...handed, ...running]) onTheWay += each?.items.length ?? 0;
  return [
    {
      id: "sink",
      holds: sink.accepted ===
        sink.waiting + sink.running + sink.done + sink.failed + sink.discarded,
      terms: [
        ["", "accepted", sink.accepted],
        ["=", "waiting", sink.waiting],
        ["+", "running", sink.running],
        ["+", "done", sink.done],
        ["+", "failed", sink.failed],
        ["+", "discarded", sink.discarded],
      ],
    },
    {
      id: "stream",
      holds: batch.accepted === batch.waiting + batch.done + batch.discarded,
      terms: [
        ["", "accepted", batch.accepted],
        ["=", "waiting", batch.waiting],
        ["+", "done", batch.done],
        ["+", "discarded", batch.discarded],
      ],
    },
    {
      id: "items",
      holds: emitted === onTheWay + ended,
      terms: [["", "emitted", emitted], ["=", "on the way", onTheWay], ["+", "ended", ended]],
    },
    bound("running", sink.running, "concurrency", pipeline.most),
    bound("waiting", sink.waiting, "capacity", settings.capacity),
    bound("gathering", batch.waiting, "maxItems", settings.maxItems),
  ];
}

function bound(name: string, value: number, of: string, most: number): Check {
  return { id: name, holds: value <= most, terms: [["", name, value], ["≤", of, most]] };
}
