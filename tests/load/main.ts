/**
 * Runs one case in its own process: `main.ts NAME ITEMS`. Without a name it prints the list of
 * cases.
 */

import { flights } from "./flights.ts";
import { lives } from "./lives.ts";
import { type Case, Load } from "./load.ts";
import { sinks } from "./sinks.ts";
import { stalls } from "./stalls.ts";
import { transformCases } from "./transforms.ts";

interface Host {
  process: { argv: string[]; cpuUsage(): { user: number; system: number } };
}

const { process } = globalThis as unknown as Host;

// With fewer items, the start of the runtime would count more than the case.
const LEAST = 30_000;
const WARM = 3000;

const cases: readonly Case[] = [...transformCases, ...sinks, ...flights, ...stalls, ...lives];
const [name, size] = process.argv.slice(2);

async function run({ perMillion = 1e6, run }: Case, size: number): Promise<unknown> {
  const load = new Load(Math.max(Math.round(size * perMillion / 1e6), LEAST));
  // Warms up, so that compiled code and set-up don't count as growth.
  await run(new Load(Math.max(Math.ceil(load.size / 50), WARM)));
  const count = await run(load);
  // The processor time, because the machine may be busy.
  const { user, system } = process.cpuUsage();
  if (count !== load.size) throw new Error(`${count} of ${load.size} items came out`);
  return {
    items: load.size,
    ...load.growth,
    seconds: (user + system) / 1e6,
    note: load.note,
  };
}

if (name === undefined) console.log(JSON.stringify(cases.map(({ name }) => name)));
else console.log(JSON.stringify(await run(cases.find((one) => one.name === name)!, Number(size))));
