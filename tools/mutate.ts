/**
 * Mutation testing: each small change of `src` must make a test fail.
 *
 * `deno run -A tools/mutate.ts [FILE...]` judges the mutants of the files whose names contain one of
 * the words, in that order, and writes docs/mutation.md.
 */

import { instrument } from "./mutation/instrument.ts";
import { judge } from "./mutation/judge.ts";
import { deno } from "./run.ts";
import { page, type Results, type Survivor } from "./mutation/page.ts";

const RESULTS = "tools/mutation/results.json";
const PAGE = "docs/mutation.md";

const words = Deno.args;
const results: Results = JSON.parse(await Deno.readTextFile(RESULTS).catch(() => "{}"));
const rank = (file: string) => words.findIndex((word) => file.includes(word));
const mutants = (await instrument())
  .filter(({ file }) => words.length === 0 || rank(file) >= 0)
  .sort((a, b) => rank(a.file) - rank(b.file));
const files = Map.groupBy(mutants, ({ file }) => file);
console.log(`${mutants.length} mutants in ${files.size} files; first the suite without any ...`);

const survivors: Survivor[] = [];
let judged = 0;
for await (const { mutant, killedBy, how } of judge(mutants)) {
  const { file, line, kind, before, after } = mutant;
  judged++;
  if (killedBy === undefined) survivors.push({ file, line, kind, before, after });
  const verdict = killedBy === undefined ? "SURVIVED" : `${how} <- ${killedBy}`;
  console.log(`${judged}/${mutants.length} ${file}:${line} ${before} -> ${after}: ${verdict}`);
  if (judged % 100 === 0) console.error(`      ${judged}/${mutants.length}`);
  if (mutant === files.get(file)!.at(-1)) await record(file);
}
const text = page(results);
await Deno.writeTextFile(PAGE, text);
await deno(["fmt", "--quiet", PAGE]);
console.log(text.slice(0, text.indexOf("\n## ")));

async function record(file: string): Promise<void> {
  results[file] = {
    date: new Date().toISOString().slice(0, 10),
    mutants: files.get(file)!.length,
    survivors: survivors.filter((survivor) => survivor.file === file).map((survivor) => {
      const { file: _, ...rest } = survivor;
      return rest;
    }),
  };
  const sorted = Object.fromEntries(Object.entries(results).sort(([a], [b]) => a < b ? -1 : 1));
  await Deno.writeTextFile(RESULTS, `${JSON.stringify(sorted, null, 2)}\n`);
}
