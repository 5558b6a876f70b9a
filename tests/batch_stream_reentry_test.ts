/** `BatchStream`: a collector may flush its own stream, and read from it, while it hands over. */

import { assertEquals } from "@std/assert";
import { BatchStream } from "../mod.ts";
import { ArrayCollector } from "./support/batching.ts";
import { turn } from "./support/gate.ts";
import { rejection } from "./support/hand.ts";
import { test } from "./support/test.ts";
import { timed } from "./support/timed.ts";

const acts = ["flush", "read"] as const;
const moments = ["before", "after"] as const;

/** Runs `act` in the first `take`, before or after the items leave the collector. */
class Acting extends ArrayCollector {
  #act: (() => void) | undefined;
  readonly #moment: typeof moments[number];

  constructor(act: () => void, moment: typeof moments[number]) {
    super(2);
    this.#act = act;
    this.#moment = moment;
  }

  override take(): unknown[] {
    const act = this.#act;
    this.#act = undefined;
    if (this.#moment === "before") act?.();
    const batch = super.take();
    if (this.#moment === "after") act?.();
    return batch;
  }
}

for (const act of acts) {
  for (const moment of moments) {
    timed(
      `BatchStream loses nothing when its collector does a ${act} ${moment} it hands over [3] [4.1] [4.7]`,
      async (clock) => {
        const seen: unknown[] = [];
        const read = () => {
          reader.read().then(({ done, value }) => seen.push(done ? "end" : value));
        };
        const stream: BatchStream<unknown, unknown[]> = new BatchStream<unknown, unknown[]>({
          collector: () => new Acting(() => act === "flush" ? stream.flush() : read(), moment),
          linger: 10,
        });
        const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
        const writes = [1, 2, 3].map((item) => writer.write(item));
        await turn();
        read();
        await Promise.all(writes);
        assertEquals(seen, [[1, 2]]);
        if (act === "flush") read();
        await clock.tick(10);
        assertEquals(seen, [[1, 2], [3]]);
        assertEquals([stream.stats.accepted, stream.stats.done, stream.stats.batches], [3, 3, 2]);
        read();
        await writer.close();
        await turn();
        assertEquals(seen, [[1, 2], [3], "end"]);
      },
    );
  }
}

/** Aborts its stream at the first call of `fits`, which returns false. */
class Aborting extends ArrayCollector {
  readonly #abort: () => void;

  constructor(abort: () => void) {
    super(2);
    this.#abort = abort;
  }

  fits(): boolean {
    this.#abort();
    return false;
  }
}

test("BatchStream does not hang when its collector aborts it and the item does not fit [4.13] [4.7] [4.11]", async () => {
  const told: unknown[] = [];
  const stream: BatchStream<number, unknown[]> = new BatchStream<number, unknown[]>({
    collector: () =>
      new Aborting(() => {
        if (stream.stats.accepted === 1) aborted ??= writer.abort("own");
      }),
    onDiscard: (items, reason) => void told.push(items, reason),
  });
  let aborted: Promise<void> | undefined;
  const [writer, reader] = [stream.writable.getWriter(), stream.readable.getReader()];
  const ended = [writer.closed, reader.closed].map(rejection);
  const writes = [1, 2].map((item) => writer.write(item));
  await writes[0];
  assertEquals(await rejection(writes[1]!), "own");
  await aborted;
  assertEquals(await Promise.all(ended), ["own", "own"]);
  assertEquals(told, [[1], "own"]);
  const { accepted, discarded } = stream.stats;
  assertEquals([accepted, discarded], [1, 1]);
});
