/** Ctrl-C, or SIGTERM: the first drains, the second discards, the third is the end. */

import process from "node:process";

// A task runner passes on what the terminal has sent already: one press may come several times.
const PRESS = 250;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Signals that follow Ctrl-C. */
export interface Interrupts {
  /** Read no more, and finish what was read. */
  readonly drain: AbortSignal;
  /** Stop at once. */
  readonly discard: AbortSignal;
  /** As the first Ctrl-C does. */
  stop(): void;
  /** Lets go of Ctrl-C. */
  release(): void;
}

/** Takes hold of Ctrl-C. */
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
