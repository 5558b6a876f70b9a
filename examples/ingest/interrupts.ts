/** Ctrl-C and SIGTERM: the first one drains, the second one discards, the third one ends the process. */

import process from "node:process";

// A task runner may pass on a signal that the terminal has sent already: one press comes several times.
const PRESS = 250;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** What Ctrl-C asks for. */
export interface Interrupts {
  /** Read no more, and write what was read. */
  readonly drain: AbortSignal;
  /** Stop at once. */
  readonly discard: AbortSignal;
  /** Does what the first Ctrl-C does. */
  stop(): void;
  /** Stops listening. */
  release(): void;
}

/** Listens for Ctrl-C and SIGTERM. */
export function interrupts(): Interrupts {
  const drain = new AbortController();
  const discard = new AbortController();
  let last = -Infinity;
  const listener = () => {
    const now = performance.now();
    if (now - last < PRESS) return;
    last = now;
    if (discard.signal.aborted) process.exit(130);
    else if (drain.signal.aborted) discard.abort(new Error("interrupted"));
    else drain.abort();
  };
  for (const signal of SIGNALS) process.on(signal, listener);
  return {
    drain: drain.signal,
    discard: discard.signal,
    stop: () => drain.abort(),
    release() {
      for (const signal of SIGNALS) process.off(signal, listener);
    },
  };
}
