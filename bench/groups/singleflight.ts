/** Calls that share an execution, against what everybody writes: a `Map` of promises. */

import { Singleflight } from "../../mod.ts";
import type { Group } from "../harness.ts";
import { bursts } from "../loads.ts";

type Call = (key: string, fn: () => Promise<number>) => Promise<number>;

const one = () => Promise.resolve(1);

/** The floor: `flights` that are in the air, and nothing else. */
function bare(): Call {
  const flights = new Map<string, Promise<number>>();
  return (key, fn) => {
    let flight = flights.get(key);
    if (!flight) {
      flight = fn().finally(() => flights.delete(key));
      flights.set(key, flight);
    }
    return flight;
  };
}

function weir(signal?: AbortSignal): Call {
  const flights = new Singleflight<string, number>();
  const options = signal && { signal };
  return (key, fn) => flights.do(key, fn, options);
}

async function alone(n: number, call: Call): Promise<number> {
  let count = 0;
  for (let i = 0; i < n; i++) count += await call("key", one);
  return count;
}

async function joined(n: number, call: Call): Promise<number> {
  let count = 0;
  for (const [from, to] of bursts(n)) {
    const callers: Promise<number>[] = [];
    for (let i = from; i < to; i++) callers.push(call("key", one));
    for (const value of await Promise.all(callers)) count += value;
  }
  return count;
}

const live = () => new AbortController().signal;

export const singleflight: Group = {
  name: "singleflight",
  unit: "call",
  n: 20_000,
  cases: [
    {
      kind: "floor",
      name: "a Map of promises, one after another",
      run: (n) => alone(n, bare()),
    },
    { kind: "floor", name: "a Map of promises, 1000 joiners", run: (n) => joined(n, bare()) },

    { kind: "weir", name: "Singleflight.do, one after another", run: (n) => alone(n, weir()) },
    {
      kind: "weir",
      name: "Singleflight.do, one after another, with a signal",
      run: (n) => alone(n, weir(live())),
    },
    { kind: "weir", name: "Singleflight.do, 1000 joiners", run: (n) => joined(n, weir()) },
    {
      kind: "weir",
      name: "Singleflight.do, 1000 joiners, with a signal",
      run: (n) => joined(n, weir(live())),
    },
  ],
};
