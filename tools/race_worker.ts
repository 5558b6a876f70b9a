/** Plays schedules for `tools/races.ts`: in a thread of its own, whose clock is a fake one. */

import { races } from "../tests/races/all.ts";
import { type Choice, type Failure, hold } from "../tests/races/race.ts";

/** What is to be played. */
export interface Task extends Choice {
  readonly name: string;
}

/** What came of it. */
export interface Played {
  readonly seconds: number;
  readonly failure: Failure | undefined;
}

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;

scope.addEventListener("message", async ({ data: task }: MessageEvent<Task>) => {
  const start = performance.now();
  const failure = await hold(races.find(({ name }) => name === task.name)!, task);
  const played: Played = { seconds: (performance.now() - start) / 1000, failure };
  scope.postMessage(played);
});

interface DedicatedWorkerGlobalScope {
  addEventListener(type: "message", listener: (event: MessageEvent<Task>) => void): void;
  postMessage(message: Played): void;
}
