/** Collects unhandled errors. */

import { turn } from "./gate.ts";

interface NodeProcess {
  listeners(event: string): Array<(...args: never[]) => void>;
  removeAllListeners(event: string): void;
  on(event: string, listener: (...args: never[]) => void): void;
}

const NODE_EVENTS = ["unhandledRejection", "uncaughtException"] as const;

type Report = (error: unknown) => void;

/** The receiver of errors: the innermost one that is registered. */
let told: Report | undefined;

/**
 * Calls `report` for each unhandled rejection or uncaught error, until you call the result. `bun
 * test` keeps them to itself and fails the running test, so nothing arrives there.
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

/** Runs `body`, and returns every unhandled error, in order. */
export async function unhandled(body: () => unknown): Promise<unknown[]> {
  const errors: unknown[] = [];
  const stop = onUnhandled((error) => errors.push(error));
  try {
    await body();
    // The first turn rejects leftover promises. The runtimes report them at its end or in the next
    // turn.
    await turn();
    await turn();
  } finally {
    stop();
  }
  return errors;
}

function listen(report: Report): () => void {
  // Not by `process`, because Deno and workerd have a copy of Node's.
  if ("addEventListener" in globalThis) return onGlobal(report);
  return onProcess((globalThis as unknown as { process: NodeProcess }).process, report);
}

function onGlobal(report: Report): () => void {
  const onRejection = (event: PromiseRejectionEvent) => {
    // The edge VM calls its listeners with an incomplete event.
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
  // The test runner also listens, and would fail the running test.
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
