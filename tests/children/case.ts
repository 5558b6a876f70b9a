/** What a child process does, and how it must end. */

/** A small program, whole in one function. */
export interface Case {
  /** What it shows. Chosen by it. */
  readonly name: string;
  /** Prints as it goes. */
  readonly run: () => unknown;
  /** What it prints, to the line. At least one, or a run that got nowhere would pass. */
  readonly prints: readonly [string, ...string[]];
  /** Others in the process would spoil it: they would keep it alive. */
  readonly alone?: true;
  /** The error that ends it; without one it exits with 0 and complains of nothing. */
  readonly dies?: string;
  /** The heap that it must do with, in MiB, where the runtime can be given one. */
  readonly heap?: number;
}

/** Nobody waits for this long: what is left pending shows as a process that does not exit. */
export const DAY = 86_400_000;

/** Never settles, and keeps no process alive. */
export function hang(): Promise<never> {
  return new Promise(() => {});
}

/** The next turn of the event loop, timers included. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/** Tells how a promise has settled, which handles it. */
export async function tell(promise: PromiseLike<unknown>): Promise<void> {
  try {
    await promise;
    console.log("fulfilled");
  } catch (reason) {
    console.log(`rejected: ${reason instanceof Error ? reason.message : reason}`);
  }
}

/** What {@linkcode fail} fails with. */
export const oops: Error = new Error("oops");

/** Fails in the next turn. */
export async function fail(): Promise<never> {
  await turn();
  throw oops;
}

/** A source whose read and whose return both fail when nobody waits for them any more. */
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
