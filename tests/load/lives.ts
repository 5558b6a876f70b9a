/** Makes objects and ends them in every way, with one signal that outlives them. */

import { turn } from "../support/gate.ts";
import { countListeners } from "../support/listeners.ts";
import { lives as kinds } from "../support/lives.ts";
import type { Case } from "./load.ts";

/** One case. */
export const lives: readonly Case[] = [{
  name: "every primitive, made and brought to every end",
  perMillion: 1000,
  async run(load) {
    const { signal } = new AbortController();
    const listeners = countListeners(signal);
    let count = 0;
    await load.each(async (n) => {
      await kinds[n % kinds.length]!.live(signal, (_, value) => value);
      count++;
      // A value that a turn has read stays alive until its end.
      if (n % 100 === 99) await turn();
    });
    if (listeners.live > 0) throw new Error(`${listeners.live} listeners are left`);
    return count;
  },
}];
