/** Where the items come from, and where they go: the same for every case. */

/** Items that are at hand at once: what a source enqueues in one pull, what a pusher pushes. */
export const BURST = 1000;

/** The numbers below `n`. */
export function source(n: number): ReadableStream<number> {
  return repeat(n, (i) => i);
}

/**
 * A stream of `n` items, many in a pull, like the records of a block that was read. A pull for each
 * would cost as much as a reader does, in the case and in its floor, and hide what lies between.
 */
export function repeat<T>(n: number, item: (i: number) => T): ReadableStream<T> {
  let i = 0;
  return new ReadableStream({
    pull(controller) {
      for (const end = Math.min(n, i + BURST); i < end; i++) controller.enqueue(item(i));
      if (i === n) controller.close();
    },
  });
}

/** Slices of the numbers below `n`, as `[from, to]`: what a pusher pushes in one go. */
export function* bursts(n: number, size: number = BURST): Generator<[from: number, to: number]> {
  for (let from = 0; from < n; from += size) yield [from, Math.min(n, from + size)];
}

/** The numbers of a slice. */
export function* numbers(from: number, to: number): Generator<number> {
  for (let i = from; i < to; i++) yield i;
}

/** The numbers below `n`, for those who cannot take a stream. */
export async function* generate(n: number): AsyncGenerator<number> {
  for (let i = 0; i < n; i++) yield i;
}

/** Pipes a stream to a sink that only counts. */
export async function pipeItems(readable: ReadableStream<unknown>): Promise<number> {
  let count = 0;
  await readable.pipeTo(
    new WritableStream({
      write() {
        count++;
      },
    }),
  );
  return count;
}

/** Pipes a stream of batches to a sink that only counts their items. */
export async function pipeBatches(readable: ReadableStream<ArrayLike<unknown>>): Promise<number> {
  let count = 0;
  await readable.pipeTo(
    new WritableStream({
      write(batch) {
        count += batch.length;
      },
    }),
  );
  return count;
}

/** Reads a stream by a plain loop. */
export async function readItems(readable: ReadableStream<unknown>): Promise<number> {
  const reader = readable.getReader();
  let count = 0;
  while (!(await reader.read()).done) count++;
  return count;
}

/** Reads a stream of batches by a plain loop. */
export async function readBatches(readable: ReadableStream<ArrayLike<unknown>>): Promise<number> {
  const reader = readable.getReader();
  let count = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return count;
    count += value.length;
  }
}
