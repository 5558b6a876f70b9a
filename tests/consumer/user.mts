/**
 * A user's program with each primitive. Compilers check it against the sources and against the
 * declarations, with the types of every runtime.
 */

import {
  Aggregator,
  BatchStream,
  ChunkStream,
  type Collector,
  Fanout,
  FixedChunkStream,
  MapStream,
  Singleflight,
  throttle,
  ThrottleStream,
} from "@weir/streams";
import { Fanout as SameFanout } from "@weir/streams/fanout";

/** Fails to compile unless both types are equal. */
function same<A, B>(_same: Same<A, B>): void {}
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;

function words(): ReadableStream<string> {
  return new ReadableStream<string>({
    start(controller) {
      for (const word of ["a", "weir", "holds"]) controller.enqueue(word);
      controller.close();
    },
  });
}

class Longest implements Collector<string, string> {
  size = 0;
  #longest = "";
  get full(): boolean {
    return this.size === 10;
  }
  add(word: string): void {
    this.size++;
    if (word.length > this.#longest.length) this.#longest = word;
  }
  take(): string {
    const longest = this.#longest;
    this.size = 0;
    this.#longest = "";
    return longest;
  }
}

const { signal } = new AbortController();
const seen: unknown[] = [];

// Transforms in a pipe, and a sink at its end.
await words()
  .pipeThrough(new ThrottleStream<string>({ interval: 1, edge: "both", signal }))
  .pipeThrough(new BatchStream<string>({ maxWeight: 9, linger: 5, weigh: (word) => word.length }))
  .pipeThrough(new MapStream((batch: string[]) => batch.join(" "), { concurrency: 2 }))
  .pipeTo(new Fanout((text: string) => seen.push(text), { concurrency: 2, signal }));

// Arrays and other sources.
for await (const batch of BatchStream.from(["a", "b"], 1)) same<typeof batch, string[]>(true);
for await (const batch of ChunkStream.from(words(), { maxBytes: 8 })) {
  same<typeof batch, string[]>(true);
}
for await (const word of BatchStream.from(words(), { collector: () => new Longest() })) {
  same<typeof word, string>(true);
  seen.push(word);
}
for await (
  const count of MapStream.from(words(), (word) => Promise.resolve(word.length), { ordered: false })
) same<typeof count, number>(true);

// Bytes.
const pieces = new FixedChunkStream({ size: 4 });
const written = words()
  .pipeThrough(new MapStream((word: string) => new TextEncoder().encode(word)))
  .pipeTo(pieces.writable);
for await (const piece of pieces.readable) same<typeof piece, Uint8Array<ArrayBuffer>>(true);
await written;

// Sinks without a pipe.
{
  await using fanout = new Fanout(async (word: string, { signal }) => {
    signal.throwIfAborted();
    return await Promise.resolve(word.length);
  }, { concurrency: 4, capacity: 10, key: (word) => word[0], timeout: 10_000 });
  const pushed: boolean = fanout.tryPush("weir");
  await fanout.push("weir");
  const length = fanout.submit("weir");
  same<typeof length, Promise<number>>(true);
  await fanout.consume(words());
  await fanout.flush();
  seen.push(pushed, await length, fanout.stats.done, fanout instanceof SameFanout);
  same<typeof SameFanout, typeof Fanout>(true);
}
{
  await using users = new Aggregator(
    (ids: number[]) => ids.map((id) => id > 0 ? `user ${id}` : new Error(`no user ${id}`)),
    { maxItems: 100, linger: 1, onDiscard: (ids: number[]) => seen.push(ids) },
  );
  const user = users.submit(1);
  same<typeof user, Promise<string>>(true);
  seen.push(await user, users.stats.batches);
}

// Calls.
const flight = new Singleflight<string, number>({ cache: new Map() });
const { value, shared } = await flight.doShared("key", ({ signal }) => signal.aborted ? 0 : 1);
same<typeof value, number>(true);
same<typeof shared, boolean>(true);
const square = Singleflight.wrap((n: number) => Promise.resolve(n * n), { key: (n) => n });
same<ReturnType<typeof square>, Promise<number>>(true);
same<typeof square.flight, Singleflight<number, number>>(true);
seen.push(value, await square(3));
{
  using save = throttle((draft: string, at: number) => seen.push(draft + at), { interval: 1000 });
  const ran: boolean = save("draft", 1);
  seen.push(ran, save.stats.dropped);
}

/** Code that compilers must refuse. Never called. */
export function refused(): void {
  const fanout = new Fanout((word: string) => word.length);
  // @ts-expect-error: its items are strings
  fanout.tryPush(1);
  // @ts-expect-error: there is no such option
  new Fanout((word: string) => word, { workers: 4 });
  // @ts-expect-error: batches are arrays of strings
  words().pipeThrough(new BatchStream<number>(2));
  // @ts-expect-error: the size of a chunk has no default
  new ChunkStream<string>({});
  // @ts-expect-error: the function takes a string
  throttle((draft: string) => draft, { interval: 1 })(1);
}

/** The results of a run. */
export const outcome: readonly unknown[] = seen;
