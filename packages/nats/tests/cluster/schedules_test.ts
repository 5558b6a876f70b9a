/**
 * Plays a few schedules of killed and paused processes; `schedules.ts` plays many. On a busy
 * machine a schedule takes longer, with the same result.
 */

import { assertEquals } from "@std/assert";
import { prepare } from "./cast.ts";
import { play } from "./play.ts";
import { scheduleOf } from "./schedule.ts";

// Before the tests, which would complain about resources that esbuild leaves open.
await prepare();

for (const seed of [1, 2, 3]) {
  Deno.test(`Schedule ${seed}: no message is lost, and each repeat has its reason`, async () => {
    const played = await play(scheduleOf(seed, 2000));
    assertEquals(played.complaints, []);
    assertEquals([played.published, played.lost.length, played.poison], [2000, 0, 1]);
  });
}
