/** Each recipe is in the index, explains itself, and has a demo that runs in each runtime. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { inEach, Program } from "./support/program.ts";

const INDEX = new URL("../docs/recipes/README.md", import.meta.url);

/** The demo needs a Redis server. */
const NEEDS_A_SERVER = ["recipes/redis_clients.ts"];
/** The demo ends with items that are not done, and reports them. */
const EXIT_CODES: Readonly<Record<string, number>> = { "recipes/shutdown.ts": 1 };

const recipes = ["recipes", "edge"].flatMap((folder) =>
  [...Deno.readDirSync(new URL(folder, import.meta.url))]
    .filter(({ name }) => name.endsWith(".ts") && name !== "workers.ts")
    .map(({ name }) => `${folder}/${name}`)
).sort();

for (const recipe of recipes) {
  const url = new URL(recipe, import.meta.url);
  const text = Deno.readTextFileSync(url);

  Deno.test(`${recipe} says what it is for, and its links lead somewhere`, async () => {
    const [comment] = /^\/\*\*.*?\*\//s.exec(text)!;
    const parts = ["The need:", "The idea:", "The limits:", "Next:"];
    assertEquals(parts.filter((part) => !comment.includes(`\n * ${part}`)), []);
    const links = [...comment.matchAll(/\]\((\S+?)\)/g)].map(([, link]) => link!);
    assert(links.length > 0);
    for (const link of links) assert((await Deno.stat(new URL(link, url))).isFile, link);
    assertStringIncludes(await Deno.readTextFile(INDEX), `(../../examples/${recipe})`);
  });

  if (!text.includes("import.meta.main") || NEEDS_A_SERVER.includes(recipe)) continue;
  inEach(`${recipe} has a demo that runs`, async (host) => {
    await using run = await Program.start(host, `examples/${recipe}`, []);
    const expected = EXIT_CODES[recipe] ?? 0;
    assertEquals(await run.end(), expected, run.output);
    assert(run.stdout.length > 0);
    if (expected === 0) assertEquals(run.stderr, "");
  });
}
