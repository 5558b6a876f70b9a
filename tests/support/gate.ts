/** Promises and streams that a test controls. */

// Taken before a test can replace them by a fake clock.
const { setTimeout, setImmediate, document } = globalThis as
  & typeof globalThis
  & { setImmediate?: (callback: () => void) => unknown; document?: unknown };

const NOTHING = new Uint8Array();

/** A promise with its two functions: the test decides when it settles. */
export interface Gate<T = void> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason?: unknown) => void;
}

/** Makes a closed gate. */
export function gate<T = void>(): Gate<T> {
  let resolve!: Gate<T>["resolve"];
  let reject!: Gate<T>["reject"];
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Lets queued microtasks run, and those that they queue. No timer fires. */
export async function microtasks(depth = 50): Promise<void> {
  for (let i = 0; i < depth; i++) await undefined;
}

/** Lets all microtasks and one real macrotask run, even under a fake clock. */
export function turn(): Promise<void> {
  // In browsers, nested timers wait for 4 ms.
  if (document) return macrotask();
  return new Promise((resolve) => void setTimeout(resolve, 0));
}

/** Like `turn`, but a hundred times as fast, for many thousand steps. */
export const macrotask: () => Promise<void> = setImmediate
  ? () => new Promise((resolve) => void setImmediate(resolve))
  : "MessageChannel" in globalThis
  ? posted()
  // The result of another thread arrives as a macrotask, and timers take more than a millisecond.
  : async () => void await crypto.subtle.digest("SHA-1", NOTHING);

/** Returns the state of a promise after the next turn. From here on it also counts as handled. */
export async function settled(
  promise: PromiseLike<unknown>,
): Promise<"pending" | "fulfilled" | "rejected"> {
  let state: "pending" | "fulfilled" | "rejected" = "pending";
  promise.then(() => state = "fulfilled", () => state = "rejected");
  await turn();
  return state;
}

/**
 * Counts the items taken from an endless source, and fails if the reader doesn't stop, because the
 * test would never end.
 */
export function counted(taken: number): number {
  if (taken > 10_000) throw new Error("a source without end is read without end");
  return taken;
}

/** Returns all chunks of a stream. */
export async function collect<T>(readable: ReadableStream<T>): Promise<T[]> {
  const reader = readable.getReader();
  const items: T[] = [];
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    items.push(next.value);
  }
  return items;
}

/** Returns a stream of the items, which takes each from the iterable on demand. */
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

/** Only if there is no other way: in some runtimes the channel would keep the process alive. */
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
