/** Runs the tests in a runtime without a runner, and reports each to the process outside. */

import { countAll, type Result, runAll } from "./test.ts";

/** The messages, one JSON value per line. */
export type Message =
  | { readonly tests: number }
  | { readonly starts: string }
  | { readonly ended: string; readonly outcome: Result["outcome"]; readonly error?: string }
  | { readonly over: true };

/** Runs all tests, and passes every message to `send`. */
export async function tellAll(send: (line: string) => void): Promise<void> {
  const tell = (message: Message) => send(JSON.stringify(message));
  tell({ tests: countAll() });
  await runAll({
    onStart: (name) => tell({ starts: name }),
    onResult: ({ name, outcome, error }) =>
      tell({ ended: name, outcome, ...(outcome === "failed" && { error: text(error) }) }),
  });
  tell({ over: true });
}

/** Some engines omit the message from the stack. */
function text(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { stack = "" } = error;
  return stack.includes(error.message) ? stack : `${error}\n${stack}`;
}
