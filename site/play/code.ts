/** The code of the pipeline with the present settings, ready to paste. */

import type { Settings } from "./settings.ts";

/** A program that ends by itself after so many items. */
const ITEMS = 200;

/** A module for Deno, Node and Bun. */
export function codeOf(settings: Settings): string {
  const { rate, maxItems, linger, concurrency, capacity, handlerTime, failureRate, rateLimit } =
    settings;
  const limited = rateLimit > 0;
  return `import { BatchStream, Fanout${limited ? ", RateLimit" : ""} } from "@weir/streams";

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

// Your source. Here: ${ITEMS} items, ${rate} a second.
let item = 0;
const source = new ReadableStream<number>({
  async pull(controller) {
    await sleep(1000 / ${rate});
    controller.enqueue(++item);
    if (item === ${ITEMS}) controller.close();
  },
});

// Your work. Here: ${handlerTime} ms a batch on average, and ${failureRate} % fail.
async function work(batch: number[], { signal }: { signal: AbortSignal }): Promise<void> {
  await sleep(${handlerTime} * (0.5 + Math.random()));
  signal.throwIfAborted();
  if (Math.random() < ${failureRate / 100}) throw new Error(\`a bad batch of \${batch.length}\`);
}

const stop = new AbortController(); // stop.abort(reason) ends the sink at once
const sink = new Fanout(work, {
  concurrency: ${concurrency}, // handlers at once; pause with sink.concurrency = 0
  capacity: ${capacity}, // batches that may wait; when they do, the source slows down
${
    limited
      ? `  rate: new RateLimit({ limit: ${rateLimit}, interval: 1000 }), // starts in a second\n`
      : ""
  }  signal: stop.signal,
  onError: (error, batch) => console.error("failed:", batch, error),
  onDiscard: (batches) => console.error("discarded:", batches),
});

await source
  .pipeThrough(new BatchStream({ maxItems: ${maxItems}, linger: ${linger} }))
  .pipeTo(sink); // ends when every batch has settled
console.log(sink.stats);
`;
}
