/** Every race, over some schedules; `tools/races.ts` runs the many. */

import { races } from "./races/all.ts";
import { hold } from "./races/race.ts";
import { test } from "./support/test.ts";

const SCHEDULES = 100;

for (const race of races) {
  test(race.promise, async () => {
    const seed = Math.trunc(Math.random() * 2 ** 31);
    const failure = await hold(race, { seed, count: SCHEDULES });
    if (failure) throw new Error(failure.message);
  });
}
