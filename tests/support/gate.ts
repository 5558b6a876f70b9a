/** Promises and streams that a test opens and closes by hand. */

// Taken before a test can put a fake clock in their place.
const { setTimeout, setImmediate, document } = globalThis as
  & typeof globalThis
  & { setImmediate?: (callback: () => void) => unknown; document?: unknown };

const NOTHING = new Uint8Array();

/** A promise with its two ends: the test decides when it settles. */
export interface Gate<T = void> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason?: unknown) => void;
}

/** A gate that is shut. */
export function gate<T = void>(): Gate<T> {
  let resolve!: Gate<T>["resolve"];
  let reject!: Gate<T>["reject"];
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Let the microtasks that are queued, and those that they queue, run; no timer fires. */
export async function microtasks(depth = 50): Promise<void> {
  for (let i = 0; i < depth; i++) await undefined;
}

/** Let all microtasks and one real macrotask run, under a fake clock too. */
export function turn(): Promise<void> {
  // In browsers, timers that follow each other wait for 4 ms.
  if (document) return macrotask();
  return new Promise((resolve) => void setTimeout(resolve, 0));
}

/** As `turn`, but a hundred times as fast: what many thousand steps can bear. */
export const macrotask: () => Promise<void> = setImmediate
  ? () => new Promise((resolve) => void setImmediate(resolve))
  : "MessageChannel" in globalThis
  ? posted()
  // What another thread has done comes back as a macrotask, and timers take more than a millisecond.
  : async () => void await crypto.subtle.digest("SHA-1", NOTHING);

/** What has become of a promise by the next turn. It also counts as handled from here on. */
export async function settled(
  promise: PromiseLike<unknown>,
): Promise<"pending" | "fulfilled" | "rejected"> {
  let state: "pending" | "fulfilled" | "rejected" = "pending";
  promise.then(() => state = "fulfilled", () => state = "rejected");
  await turn();
  return state;
}

/**
 * Counts what is taken from a source that has no end, and fails where nobody stops: that would
 * never let a test end.
 */
export function counted(taken: number): number {
  if (taken > 10_000) throw new Error("a source without end is read without end");
  return taken;
}

/** Everything a stream gives. */
export async function collect<T>(readable: ReadableStream<T>): Promise<T[]> {
  const reader = readable.getReader();
  const items: T[] = [];
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    items.push(next.value);
  }
  return items;
}

/** A stream of the items, each taken from the iterable only when it is asked for. */
export function streamOf<T>(items: Iterable<T> | AsyncIterable<T>): ReadableStream<T> {
  const iterator = Symbol.asyncIterator in items
    ? items[Symbol.asyncIterator]()
    : items[Symbol.iterator]();
  return new ReadableStream<T>({
    async pull(controller) {
      const next = await iterator.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel() {
      await iterator.return?.();
    },
  }, { highWaterMark: 0 });
}

/** Only where nothing else will do: in some runtimes the channel would keep the process alive. */
function posted(): () => Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const waiting: Array<() => void> = [];
  port1.onmessage = () => waiting.shift()?.();
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port2.postMessage(undefined);
    });
}
