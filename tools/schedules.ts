/** How many schedules each race has survived in the runs that were recorded. */

const RECORD = "docs/schedules.json";

/** How many of each race the gate plays, every time new ones. */
export const EACH = 20_000;

/** What a race has survived. */
export interface Survived {
  /** In all runs. */
  readonly schedules: number;
  /** Of the last run. */
  readonly date: string;
  readonly seed: number;
}

/** By the names of the races. */
export type Schedules = Record<string, Survived>;

/** Those of the races that there are. */
export async function recorded(): Promise<Schedules> {
  return JSON.parse(await Deno.readTextFile(RECORD));
}

/** Adds a run of today. */
export async function record(
  races: readonly { property: string; schedules: number; seed: number }[],
): Promise<void> {
  const all = await recorded();
  const date = new Date().toISOString().slice(0, 10);
  for (const { property, schedules, seed } of races) {
    const before = all[property]?.schedules ?? 0;
    all[property] = { schedules: before + schedules, date, seed };
  }
  await Deno.writeTextFile(RECORD, `${JSON.stringify(all, undefined, 2)}\n`);
}

/** As it is shown. */
export function figure(count: number): string {
  return count.toLocaleString("en");
}
