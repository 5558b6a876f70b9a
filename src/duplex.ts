/** The two sides of a transform stream, and the one side of a source that is read: around a passage. */

import type { Passage } from "./core/passage.ts";
import { reportUncaught } from "./core/promises.ts";
import { Consumer, openSource, type Source } from "./core/source.ts";

/** A readable and a writable stream around `passage`, both errored when `signal` aborts. */
export function duplex<T, R>(
  passage: Passage<T, R>,
  signal: AbortSignal | undefined,
): { readable: ReadableStream<R>; writable: WritableStream<T> } {
  let errorWritable!: (reason: unknown) => void;
  const writable = new WritableStream<T>({
    start(controller) {
      errorWritable = (reason) => controller.error(reason);
      // `abort` comes only after the write that waits for the consumer; this comes at once.
      controller.signal.addEventListener("abort", () => {
        passage.dismiss(controller.signal.reason);
      });
    },
    write: (item) => passage.offer(item),
    close: () => passage.close(),
    // The signal's reason will not do: where `undefined` is given, it is an `AbortError`.
    abort: (reason) => passage.fail(reason),
  }, { highWaterMark: 1 });
  const readable = new ReadableStream<R>({
    start: (controller) => passage.connect(controller, errorWritable, signal),
    pull: () => passage.request(),
    cancel: (reason) => passage.fail(reason),
  }, { highWaterMark: 0 });
  return { readable, writable };
}

/** What comes out of `passage` when a plain loop feeds it from `source`. */
export function readableFrom<T, R>(
  owner: string,
  source: Source<T>,
  passage: Passage<T, R>,
  signal: AbortSignal | undefined,
): ReadableStream<R> {
  const offer = (item: T): Promise<void> | undefined => {
    const taken = passage.offer(item);
    return taken ? taken.then(() => passage.room()) : passage.room();
  };
  const consumer = new Consumer(openSource(`${owner}.from`, source), offer);
  let running = false;
  return new ReadableStream<R>({
    start(controller) {
      passage.connect(controller, (reason) => consumer.abandon(reason), signal);
    },
    pull() {
      passage.request();
      if (running) return;
      running = true;
      consumer.run().then(() => passage.close()).catch((error) => passage.fail(error));
    },
    cancel(reason) {
      const stopped = consumer.stop(reason, reportUncaught);
      passage.fail(reason);
      return stopped;
    },
  }, { highWaterMark: 0 });
}
