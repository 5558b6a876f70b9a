/** Calls of a single-flight, one after the other, together, and leaving. */

import { Singleflight } from "../../mod.ts";
import { gate, turn } from "../support/gate.ts";
import { countListeners } from "../support/listeners.ts";
import { type Case, FEWER } from "./load.ts";

const later = () => Promise.resolve(1);

function empty(flights: { readonly size: number }): void {
  if (flights.size > 0) throw new Error(`${flights.size} flights are left`);
}

/** All cases. */
export const flights: readonly Case[] = [
  {
    name: "Singleflight.do, one after another",
    async run(load) {
      const flights = new Singleflight<string, number>();
      let count = 0;
      await load.each(() => flights.do("k", later).then((value) => count += value));
      empty(flights);
      return count;
    },
  },
  {
    name: "Singleflight.do, a key each, a hundred at a time",
    perMillion: FEWER,
    async run(load) {
      const flights = new Singleflight<number, number>({ forgetAfter: 60_000 });
      let count = 0;
      await load.each((n) => {
        const call = flights.do(n, later).then((value) => count += value);
        if (n % 100 === 99) return call;
      });
      await turn();
      empty(flights);
      return count;
    },
  },
  {
    name: "Singleflight.doShared, ten share one, copies",
    perMillion: FEWER,
    async run(load) {
      const flights = new Singleflight<string, number>({ clone: (value) => value });
      let count = 0;
      await load.each((n) => {
        const call = flights.doShared("k", later).then(({ value }) => count += value);
        if (n % 10 === 9) return call;
      });
      await turn();
      empty(flights);
      return count;
    },
  },
  {
    name: "Singleflight.do, rejections",
    perMillion: FEWER,
    async run(load) {
      const flights = new Singleflight<number, number>();
      let count = 0;
      const told = () => count++;
      await load.each((n) => flights.do(n, () => Promise.reject(n)).then(undefined, told));
      empty(flights);
      return count;
    },
  },
  {
    name: "Singleflight.do, joining one long flight",
    async run(load) {
      const flights = new Singleflight<string, number>();
      const { promise, resolve } = gate<number>();
      let last = flights.do("k", () => promise);
      await load.each(() => void (last = flights.do("k", later)));
      resolve(load.size);
      return await last;
    },
  },
  {
    name: "Singleflight.do, joining and leaving long flights",
    perMillion: FEWER,
    async run(load) {
      const flights = new Singleflight<string, number>();
      let flight = gate<number>();
      let stays = flights.do("k", () => flight.promise);
      const land = () => {
        flight.resolve(0);
        return stays;
      };
      const reason = new Error("left");
      let left = 0;
      let listening = 0;
      const told = (error: unknown) => {
        if (error === reason) left++;
      };
      await load.each(async (n) => {
        // The flight keeps something of each caller until it ends.
        if (n % 1000 === 999) {
          await land();
          flight = gate<number>();
          stays = flights.do("k", () => flight.promise);
        }
        const leaver = new AbortController();
        // Counted only sometimes, because counting costs more than joining.
        const listeners = n % 100 === 0 ? countListeners(leaver.signal) : undefined;
        const call = flights.do("k", later, { signal: leaver.signal }).catch(told);
        leaver.abort(reason);
        listening += listeners?.live ?? 0;
        await call;
      });
      await land();
      empty(flights);
      if (listening > 0) throw new Error(`${listening} listeners are left`);
      return left;
    },
  },
];
