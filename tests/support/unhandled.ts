/** Sees the errors that nobody handles. */

import { turn } from "./gate.ts";

interface NodeProcess {
  listeners(event: string): Array<(...args: never[]) => void>;
  removeAllListeners(event: string): void;
  on(event: string, listener: (...args: never[]) => void): void;
}

const NODE_EVENTS = ["unhandledRejection", "uncaughtException"] as const;

type Report = (error: unknown) => void;

/** Who is told: the innermost of those who asked. */
let told: Report | undefined;

/**
 * Call `report` for each unhandled rejection or uncaught error, until the result is called. `bun test`
 * keeps them to itself and fails the test that is running, so nothing is ever seen there.
 */
export function onUnhandled(report: Report): () => void {
  const outer = told;
  told = report;
  const stop = outer ? () => {} : listen((error) => told?.(error));
  return () => {
    told = outer;
    stop();
  };
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

function listen(report: Report): () => void {
  // Not by `process`: Deno and workerd have a copy of Node's.
  if ("addEventListener" in globalThis) return onGlobal(report);
  return onProcess((globalThis as unknown as { process: NodeProcess }).process, report);
}

function onGlobal(report: Report): () => void {
  const onRejection = (event: PromiseRejectionEvent) => {
    // The edge VM calls its listeners with less than an event.
    event.preventDefault?.();
    report(event.reason);
  };
  const onError = (event: ErrorEvent) => {
    event.preventDefault?.();
    report(event instanceof Event ? event.error : event);
  };
  globalThis.addEventListener("unhandledrejection", onRejection);
  globalThis.addEventListener("error", onError);
  return () => {
    globalThis.removeEventListener("unhandledrejection", onRejection);
    globalThis.removeEventListener("error", onError);
  };
}

function onProcess(process: NodeProcess, report: Report): () => void {
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
