/** Threads that are asked one thing at a time. Each has globals of its own, and so its own fake clock. */

/** For an answer, at most; most take some seconds. */
const LIMIT = 5 * 60_000;

/** Whether this is one. */
export const isThread: boolean = "WorkerGlobalScope" in globalThis;

/** In a thread: answers all that it is asked. */
export function answer<T, A>(answering: (task: T) => Promise<A>): void {
  globalThis.addEventListener("message", async (event) => {
    const given = await answering((event as MessageEvent<T>).data);
    (globalThis as unknown as { postMessage(given: A): void }).postMessage(given);
  });
}

/** Asks a thread; rejects where it hangs, or throws. */
export function ask<T, A>(thread: Worker, task: T, name: string): Promise<A> {
  return new Promise((resolve, reject) => {
    const fail = (what: string) => reject(new Error(`${name}: ${what}`));
    const timer = setTimeout(() => fail("it hangs"), LIMIT);
    thread.onmessage = ({ data }) => {
      clearTimeout(timer);
      resolve(data);
    };
    thread.onerror = (event) => {
      event.preventDefault();
      fail(event.message);
    };
    thread.postMessage(task);
  });
}
