/** Runs the tests inside a runtime without a runner, and tells of each to who follows from outside. */

import { countAll, type Result, runAll } from "./test.ts";

/** What is told, as JSON, one a line. */
export type Message =
  | { readonly tests: number }
  | { readonly starts: string }
  | { readonly ended: string; readonly outcome: Result["outcome"]; readonly error?: string }
  | { readonly over: true };

/** Run all tests, and give every message to `send`. */
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

/** Some engines leave the message out of the stack. */
function text(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { stack = "" } = error;
  return stack.includes(error.message) ? stack : `${error}\n${stack}`;
}
