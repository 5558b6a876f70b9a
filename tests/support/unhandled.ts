/** Sees the errors that nobody handles. */

import { turn } from "./gate.ts";

interface NodeProcess {
  listeners(event: string): Array<(...args: never[]) => void>;
  removeAllListeners(event: string): void;
  on(event: string, listener: (...args: never[]) => void): void;
}

const EVENTS = ["unhandledrejection", "error"] as const;
const NODE_EVENTS = ["unhandledRejection", "uncaughtException"] as const;

/**
 * Whether they can be seen: `bun test` keeps them to itself and fails the test that is running. A
 * test that expects none holds there as it is; one that expects some has to be left out.
 */
export const seesUnhandled: boolean = !("Bun" in globalThis);

/** Call `report` for each unhandled rejection or uncaught error, until the result is called. */
export function onUnhandled(report: (error: unknown) => void): () => void {
  const { Deno, process } = globalThis as unknown as { Deno?: unknown; process?: NodeProcess };
  // Deno's `process` is a copy of Node's: its events would come a second time.
  return process && !Deno ? onProcess(process, report) : onGlobal(report);
}

/** Run `body` and return every error that was left unhandled, in order. */
export async function unhandled(body: () => unknown): Promise<unknown[]> {
  const errors: unknown[] = [];
  const stop = onUnhandled((error) => errors.push(error));
  try {
    await body();
    // The first turn rejects what is left over; the runtimes tell of it at its end or in the next.
    await turn();
    await turn();
  } finally {
    stop();
  }
  return errors;
}

function onGlobal(report: (error: unknown) => void): () => void {
  const listener = (event: Event) => {
    event.preventDefault();
    const { reason, error } = event as Event & { reason?: unknown; error?: unknown };
    report(event.type === "error" ? error : reason);
  };
  for (const event of EVENTS) globalThis.addEventListener(event, listener);
  return () => {
    for (const event of EVENTS) globalThis.removeEventListener(event, listener);
  };
}

function onProcess(process: NodeProcess, report: (error: unknown) => void): () => void {
  // The test runner listens as well, and would fail the test that is running.
  const others = NODE_EVENTS.map((event) => [event, process.listeners(event)] as const);
  for (const event of NODE_EVENTS) {
    process.removeAllListeners(event);
    process.on(event, report);
  }
  return () => {
    for (const [event, listeners] of others) {
      process.removeAllListeners(event);
      for (const listener of listeners) process.on(event, listener);
    }
  };
}
