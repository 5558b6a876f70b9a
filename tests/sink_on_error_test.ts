/** Sinks: the time limit of `onError`. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { gate, microtasks, turn } from "./support/gate.ts";
import { heard, rejection } from "./support/hand.ts";
import { hang, sinks, thrower } from "./support/sinks.ts";
import { timed } from "./support/timed.ts";
import { unhandled } from "./support/unhandled.ts";

for (const [name, open] of Object.entries(sinks)) {
  timed(
    `${name} fails when onError does not settle in time, with the failure as the cause [5.25] [5.7] [F-16]`,
    async (clock) => {
      const failure = new Error("handler");
      const told: unknown[] = [];
      const sink = open(thrower(failure), {
        timeout: 50,
        onError(error) {
          told.push(error);
          return hang();
        },
      });
      const lost = await unhandled(async () => {
        for (const n of [1, 2]) sink.tryPush(n);
        const closing = rejection(sink.close());
        await clock.tick(49);
        assertEquals([sink.stats.running, sink.stats.waiting], [1, 1]);
        await clock.tick(1);
        const error = await closing as Error;
        assert(error instanceof DOMException && error.name === "TimeoutError");
        assertEquals(error.message, `${name}: onError has not settled within 50 ms`);
        assertStrictEquals(error.cause, failure);
        assertStrictEquals(await rejection(sink.closed), error);
      });
      // The item has failed, and holds no slot.
      await sink.idle();
      const { running, failed, discarded } = sink.stats;
      assertEquals([running, failed, discarded], [0, 1, 1]);
      assertEquals([lost, told, clock.pending], [[], [failure], 0]);
    },
  );

  timed(
    `${name} gives onError the same time again after a handler's timeout [5.25] [5.7]`,
    async (clock) => {
      const handling = gate();
      const names: string[] = [];
      const sink = open((n) => n === 1 ? hang() : n, {
        timeout: 50,
        onError(error) {
          names.push((error as Error).name);
          return handling.promise;
        },
      });
      for (const n of [1, 2]) sink.tryPush(n);
      await clock.tick(50);
      assertEquals([names, sink.stats.running], [["TimeoutError"], 1]);
      await clock.tick(49);
      handling.resolve();
      await sink.close();
      await turn();
      assertEquals([sink.stats.failed, sink.stats.done, clock.pending], [1, 1, 0]);
    },
  );

  timed(
    `${name} ignores an onError that settles too late, and reports once [5.25] [5.20] [F-17]`,
    async (clock) => {
      for (const how of ["resolve", "reject"] as const) {
        const handling = gate();
        const sink = open(thrower("handler"), { timeout: 50, onError: () => handling.promise });
        const ended = rejection(sink.closed);
        sink.tryPush(1);
        await clock.tick(50);
        const error = await ended as Error;
        const lost = await unhandled(() => handling[how]());
        assertEquals([lost, error.name, error.cause], [[], "TimeoutError", "handler"]);
        assertEquals([sink.stats.running, sink.stats.failed], [0, 1]);
      }
    },
  );

  timed(
    `${name} fails only with the first of two late onErrors [5.25] [5.3]`,
    async (clock) => {
      const sink = heard(open((n) => Promise.reject(n), {
        timeout: 50,
        concurrency: 2,
        onError: hang,
      }));
      for (const n of [1, 2]) sink.tryPush(n);
      await microtasks();
      await clock.tick(50);
      assertEquals(((await rejection(sink.closed)) as Error).cause, 1);
      // The other one holds its slot: the sink waits for no `onError` after an end.
      assertEquals([sink.stats.running, sink.stats.failed], [1, 1]);
    },
  );

  timed(
    `${name} has no timer for onError without a timeout, and none after an abort [5.25] [F-36]`,
    async (clock) => {
      for (const timeout of [Infinity, 50]) {
        const handling = gate();
        const sink = open(thrower("handler"), { timeout, onError: () => handling.promise });
        sink.tryPush(1);
        await turn();
        assertEquals(clock.pending, timeout === 50 ? 1 : 0);
        await sink.abort("over");
        assertEquals(clock.pending, 0);
        handling.resolve();
        await sink.idle();
        assertEquals(sink.stats.failed, 1);
      }
    },
  );
}
