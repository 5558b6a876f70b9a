/** Finds out of each mutant whether the suite notices it. */

import { binary } from "../runtimes.ts";
import { run } from "../run.ts";
import type { Job, Measured, Report } from "./child.ts";
import { BUNDLE, type Mutant } from "./instrument.ts";

const JOBS = ".build/mutation/jobs.json";
const AT_A_TIME = 40;

/** What became of a mutant. */
export interface Verdict {
  readonly mutant: Mutant;
  /** The test that failed; none where the mutant survived. */
  readonly killedBy?: string | undefined;
  readonly how?: string | undefined;
}

/** Judges the mutants in order. */
export async function* judge(mutants: readonly Mutant[]): AsyncGenerator<Verdict> {
  const [base] = await work([{}], 10 * 60_000);
  if (!base?.measured) throw new Error(`the suite does not run: ${JSON.stringify(base)}`);
  const { always = [] } = base;
  const broken = base.measured.filter(({ failure }) => failure !== undefined);
  for (const { name, failure } of broken) console.log(`fails by itself: ${name}: ${failure}`);
  const measured = base.measured.filter(({ failure }) => failure === undefined);
  const plan = new Map(mutants.map((mutant) => [mutant.id, jobOf(mutant, measured, always)]));
  // What the import reaches has to be active then.
  const alone = new Set(always);
  const queue = [...mutants];
  while (queue.length > 0) {
    const next = queue.slice(0, alone.has(queue[0]!.id) ? 1 : AT_A_TIME);
    const end = next.findIndex(({ id }, place) => place > 0 && alone.has(id));
    const chosen = end < 0 ? next : next.slice(0, end);
    const jobs = chosen.map(({ id }) => plan.get(id)!);
    const reports = await work(jobs, limit(jobs, measured));
    for (const [place, report] of reports.entries()) {
      const mutant = chosen[place]!;
      if (report.mutant !== mutant.id) throw new Error(`no report of mutant ${mutant.id}`);
      // What the mutant before it left behind may have been to blame.
      if (place > 0 && report.how?.startsWith("uncaught")) break;
      queue.shift();
      yield { mutant, killedBy: report.killedBy, how: report.how };
    }
    if (reports.length === 0) {
      yield { mutant: queue.shift()!, killedBy: "the suite as a whole", how: "loops for ever" };
    }
  }
}

/** The tests that reach the mutant, the quick ones first. */
function jobOf({ id }: Mutant, measured: readonly Measured[], always: readonly string[]): Job {
  const reaching = always.includes(id)
    ? measured
    : measured.filter(({ reaches }) => reaches[id] !== undefined);
  const hits = reaching.reduce((sum, { reaches }) => sum + (reaches[id] ?? 0), 0);
  const tests = reaching.toSorted((a, b) => a.ms - b.ms).map(({ name }) => name);
  return { mutant: id, tests, hits: 10 * hits + 10_000 };
}

/** Far longer than all of it takes: only an endless loop gets there. */
function limit(jobs: readonly Job[], measured: readonly Measured[]): number {
  const times = new Map(measured.map(({ name, ms }) => [name, ms]));
  const longest = Math.max(
    ...jobs.map(({ tests = [] }) => tests.reduce((sum, name) => sum + times.get(name)!, 0)),
  );
  return 15_000 + 3 * longest;
}

async function work(jobs: readonly Job[], limit: number): Promise<Report[]> {
  await Deno.writeTextFile(JOBS, JSON.stringify(jobs));
  const node = await binary("node24");
  const { output } = await run(node, [
    "tools/mutation/child.ts",
    new URL(`../../${BUNDLE}`, import.meta.url).pathname,
    JOBS,
  ], { limit });
  return output.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
}
