/** A schedule: four processes, a server, messages, and what goes wrong when, all by a seed. */

import { random } from "../../src/memory/random.ts";
import type { Runtime } from "../../../../examples/cluster/processes.ts";

/** A message, and what its handler does. */
export interface Task {
  readonly id: string;
  /**
   * `"slow"` takes longer than the ack wait. `"block"` keeps the thread for so long, the first time.
   * `"flaky"` fails the first time, `"poison"` every time.
   */
  readonly kind: "plain" | "slow" | "block" | "flaky" | "poison";
}

/** The `reason` of a message that is done because it was given up. */
export const POISON = "poison";

/** What goes wrong. Times are in milliseconds. */
export interface Fault {
  readonly at: number;
  readonly kind:
    | "kill"
    | "pause"
    | "stop"
    | "kill server"
    | "pause server";
  /** Which of the four processes. */
  readonly slot: number;
  /** How long a pause is, or how long the server is away. */
  readonly duration: number;
  /** What the process that takes its place runs in. */
  readonly runtime: Runtime;
}

/** All that a seed says. */
export interface Schedule {
  readonly seed: number;
  readonly tasks: readonly Task[];
  /** What the four processes run in at first. */
  readonly runtimes: readonly Runtime[];
  readonly faults: readonly Fault[];
}

/** How long after the start faults happen. */
const SPAN = 5000;

/** The schedule of a seed. Each has a poison message, some slow ones, and each runtime. */
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
