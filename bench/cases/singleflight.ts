/** Calls that share an execution, compared with the usual code: a `Map` of promises. */

import { Singleflight as Zcong } from "@zcong/singleflight";
import pMemoize from "p-memoize";
import { Singleflight } from "../../mod.ts";
import { BURST, bursts, type Case, type Group } from "../harness.ts";

type Call = (key: string, signal?: AbortSignal) => Promise<number>;

const one = () => Promise.resolve(1);

/** The floor: only the `flights` in progress. */
function bare(): Call {
  const flights = new Map<string, Promise<number>>();
  return (key) => {
    let flight = flights.get(key);
    if (!flight) {
      flight = one().finally(() => flights.delete(key));
      flights.set(key, flight);
    }
    return flight;
  };
}

function weir(): Call {
  const flights = new Singleflight<string, number>();
  return (key, signal) => flights.do(key, one, signal && { signal });
}

function zcong(): Call {
  const flights = new Zcong();
  return (key) => flights.do(key, one);
}

function memoized(): Call {
  return pMemoize((_key: string) => one(), { cache: false });
}

const signals = Array.from({ length: BURST }, () => new AbortController().signal);

async function alone(n: number, call: Call, signal?: AbortSignal): Promise<number> {
  let count = 0;
  for (let i = 0; i < n; i++) count += await call("key", signal);
  return count;
}

async function joined(n: number, call: Call, own?: readonly AbortSignal[]): Promise<number> {
  let count = 0;
  for (const [from, to] of bursts(n)) {
    const callers: Promise<number>[] = [];
    for (let i = from; i < to; i++) callers.push(call("key", own?.[i - from]));
    for (const value of await Promise.all(callers)) count += value;
  }
  return count;
}

const names: string[] = [];

/** All in progress at once, each separate. */
async function apart(n: number, call: Call): Promise<number> {
  while (names.length < n) names.push(`key ${names.length}`);
  const callers: Promise<number>[] = [];
  for (let i = 0; i < n; i++) callers.push(call(names[i]!));
  let count = 0;
  for (const value of await Promise.all(callers)) count += value;
  return count;
}

const ways: readonly [Case["kind"], string, () => Call][] = [
  ["floor", "a Map of promises", bare],
  ["weir", "Singleflight.do", weir],
  ["peer", "@zcong/singleflight", zcong],
  ["peer", "p-memoize, no cache", memoized],
];

function cases(what: string, run: (n: number, call: Call) => Promise<number>): Case[] {
  return ways.map(([kind, name, open]) => ({
    kind,
    name: `${name}, ${what}`,
    run: (n) => run(n, open()),
  }));
}

export const singleflight: Group = {
  name: "singleflight",
  n: 20_000,
  cases: [
    ...cases("one after another", alone),
    ...cases("1000 joiners", joined),
    {
      kind: "weir",
      name: "Singleflight.do, one after another, with a signal",
      run: (n) => alone(n, weir(), signals[0]),
    },
    {
      kind: "weir",
      name: "Singleflight.do, 1000 joiners, each with a signal",
      run: (n) => joined(n, weir(), signals),
    },
  ],
};

export const keys: Group = {
  name: "keys",
  n: 100_000,
  cases: cases("each with its own key", apart),
};
