/**
 * Plays the races whose names begin with one of the arguments until one fails. Prints its name, and
 * after how many schedules it failed.
 */

import { races } from "../races/all.ts";
import { hold } from "../races/race.ts";

const EACH = 1000;
// The races take turns, so that the count says how soon the fastest of them finds the bug.
const TURN = 50;

const chosen = races.filter(({ name }) => Deno.args.some((begin) => name.startsWith(begin)));
console.log(await firstFailure() ?? "-");

async function firstFailure(): Promise<string | undefined> {
  for (let played = 0; played < EACH; played += TURN) {
    for (const race of chosen) {
      const failure = await hold(race, { seed: 1 + played, count: TURN });
      if (failure) return `${played + failure.schedules} of ${race.name}`;
    }
  }
}
