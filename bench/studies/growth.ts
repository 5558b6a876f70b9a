/** Whether an item costs the same, however many there are. */

import { type Case, type Group, median, sample, settle } from "../harness.ts";
import { promised } from "../targets.ts";

/** Nanoseconds for one item, in runs of so many. */
export interface Growth {
  readonly group: string;
  readonly name: string;
  readonly costs: readonly { readonly n: number; readonly nanoseconds: number }[];
  /** The cost in the largest run, as a multiple of that in one of `BASE`, where that is smaller. */
  readonly ratio?: number;
}

const SIZES = [1e4, 1e5, 1e6, 1e7];
const BASE = 1e5;
/** Not those that hold all their items, or whose work takes its time. */
const GROUPS = ["batching", "aggregator", "fanout", "map", "chunks", "singleflight"];
/** A sample of a small run repeats it for so many milliseconds. */
const LEAST = 100;

/** Measures cases of ours, up to `most` items: `every` one, or those that have a target. */
export async function growth(
  groups: readonly Group[],
  most: number,
  every: boolean,
): Promise<Growth[]> {
  const measured: Growth[] = [];
  for (const { name: group, cases } of groups) {
    if (!GROUPS.includes(group)) continue;
    for (const each of cases) {
      const chosen = every || promised(group, each.name);
      if (each.kind === "weir" && chosen) measured.push({ group, ...await grown(each, most) });
    }
  }
  return measured;
}

async function grown(each: Case, most: number): Promise<Omit<Growth, "group">> {
  const base = Math.min(BASE, most);
  const once = async (n: number) => {
    await settle();
    return await sample(each, n, Math.min(LEAST, most / 1e4));
  };
  await once(base);
  // Before and after the large ones: a machine is not as fast in one second as in the next.
  const around = [await once(base)];
  const costs: { n: number; nanoseconds: number }[] = [];
  for (const n of [...SIZES.filter((n) => n < most), most].filter((n) => n !== base)) {
    costs.push({ n, nanoseconds: await once(n) });
    around.push(await once(base));
  }
  costs.push({ n: base, nanoseconds: median(around) });
  costs.sort((a, b) => a.n - b.n);
  return {
    name: each.name,
    costs,
    ...(most > base && { ratio: costs.at(-1)!.nanoseconds / median(around) }),
  };
}
