/** Defines what a child process does, and how it must end. */

/** A small program in one function. */
export interface Case {
  /** What it shows. This also selects the case. */
  readonly name: string;
  /** Runs, and prints on the way. */
  readonly run: () => unknown;
  /** The expected output lines. At least one, or a run that does nothing would pass. */
  readonly prints: readonly [string, ...string[]];
  /** Whether it needs its own process, because other cases would keep that alive. */
  readonly alone?: true;
  /** The error that ends it. Without one it exits with 0 and prints no error. */
  readonly dies?: string;
  /** The heap limit in MiB, if the runtime can set one. */
  readonly heap?: number;
}

/** Longer than any test waits: a pending timer shows as a process that does not exit. */
export const DAY = 86_400_000;

/** Never settles, and keeps no process alive. */
export function hang(): Promise<never> {
  return new Promise(() => {});
}

/** The next turn of the event loop, including timers. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/** Prints the outcome of a promise, and so handles it. */
export async function tell(promise: PromiseLike<unknown>): Promise<void> {
  try {
    await promise;
    console.log("fulfilled");
  } catch (reason) {
    console.log(`rejected: ${reason instanceof Error ? reason.message : reason}`);
  }
}

/** The error of {@linkcode fail}. */
export const oops: Error = new Error("oops");

/** Fails in the next turn. */
export async function fail(): Promise<never> {
  await turn();
  throw oops;
}

/** A source whose read and return both fail when the stream no longer waits for them. */
export function failingLate(): AsyncIterable<number> {
  let reads = 0;
  let failRead!: (reason: unknown) => void;
  const pending = new Promise<never>((_, reject) => failRead = reject);
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => ++reads === 1 ? Promise.resolve({ value: 1, done: false }) : pending,
      return() {
        console.log("returned");
        failRead(oops);
        return fail();
      },
    }),
  };
}
