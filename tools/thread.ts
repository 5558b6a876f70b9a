/**
 * Threads that answer one question at a time. Each has its own globals, and so its own fake clock.
 */

/** The most time for an answer. Most take some seconds. */
const LIMIT = 5 * 60_000;

/** Whether this code runs in such a thread. */
export const isThread: boolean = "WorkerGlobalScope" in globalThis;

/** Answers all questions, in a thread. */
export function answer<T, A>(answering: (task: T) => Promise<A>): void {
  globalThis.addEventListener("message", async (event) => {
    const given = await answering((event as MessageEvent<T>).data);
    (globalThis as unknown as { postMessage(given: A): void }).postMessage(given);
  });
}

/** Asks a thread. Rejects if it hangs or throws. */
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
