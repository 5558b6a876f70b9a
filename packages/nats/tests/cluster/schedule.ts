/** Makes a schedule by a seed: four processes, a server, messages, and faults with their times. */

import { random } from "../../src/memory/random.ts";
import type { Runtime } from "../../../../examples/cluster/processes.ts";

/** A message, and the behaviour of its handler. */
export interface Task {
  readonly id: string;
  /**
   * `"slow"` takes longer than the ack wait. `"block"` blocks the thread for that time, the first
   * time. `"flaky"` fails the first time, and `"poison"` every time.
   */
  readonly kind: "plain" | "slow" | "block" | "flaky" | "poison";
}

/** The `reason` of a message that is done because it was given up. */
export const POISON = "poison";

/** A fault. Times are in milliseconds. */
export interface Fault {
  readonly at: number;
  readonly kind:
    | "kill"
    | "pause"
    | "stop"
    | "kill server"
    | "pause server";
  /** The index of the process, of four. */
  readonly slot: number;
  /** The length of a pause, or of the server's absence. */
  readonly duration: number;
  /** The runtime of the process that replaces it. */
  readonly runtime: Runtime;
}

/** A schedule. */
export interface Schedule {
  readonly seed: number;
  readonly tasks: readonly Task[];
  /** The first runtimes of the four processes. */
  readonly runtimes: readonly Runtime[];
  readonly faults: readonly Fault[];
}

/** How long after the start faults happen. */
const SPAN = 5000;

/** Makes the schedule of a seed. Each has a poison message, some slow ones, and each runtime. */
export function scheduleOf(seed: number, messages: number): Schedule {
  const number = random(seed);
  const below = (end: number) => Math.floor(number() * end);
  const pick = <T>(list: readonly T[]) => list[below(list.length)]!;
  const runtimes = ["deno", "bun", "node"] as const;
  const special = new Map<number, Task["kind"]>();
  for (const kind of ["poison", "block", "slow", "slow", "slow", "flaky"] as const) {
    special.set(below(messages), kind);
  }
  const tasks = Array.from({ length: messages }, (_, n): Task => {
    return { id: `${n}`, kind: special.get(n) ?? (number() < 0.002 ? "flaky" : "plain") };
  });
  const faults = Array.from({ length: 5 + below(4) }, (): Fault => {
    const kind = pick(["kill", "kill", "kill", "pause", "pause", "stop", "pause server"] as const);
    const duration = kind === "pause server" ? 100 + below(1900) : 200 + below(2800);
    return { at: 300 + below(SPAN), kind, slot: below(4), duration, runtime: pick(runtimes) };
  });
  for (let i = 1 + below(2); i > 0; i--) {
    faults.push({
      at: 300 + below(SPAN),
      kind: "kill server",
      slot: 0,
      duration: below(1500),
      runtime: "deno",
    });
  }
  faults.sort((a, b) => a.at - b.at);
  return { seed, tasks, runtimes: [...runtimes, pick(runtimes)], faults };
}
