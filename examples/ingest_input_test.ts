/** The main job, with bad records, bad input, wrong options, and a runtime that is too old. */

import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { binary } from "../tools/runtimes.ts";
import { readOptions } from "./ingest/options.ts";
import { demo, INGEST, number, places } from "./support/ingest.ts";
import { Program } from "./support/program.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** Records that aren't places, and the reasons. */
const BAD = [
  ['{"name": "Nowhere", "lat": "here", "lng": 1, "country": "AD"}', '"lat" or "lng" is not a'],
  ['{"name": x}', "not JSON: "],
  ['{"name": "two\nlines"}', "not JSON: "],
  ['{"name": "one brace more"}}', "not JSON: "],
  ['{"name": "no comma"} {"name": "no comma"}', "not JSON: "],
  ['{"name": ", ] } \\""}', '"country" is not a code'],
  ["3", "not an object: 3"],
  ["null", "not an object: null"],
  ['"],["', 'not an object: "],["'],
  ["[[1, 2], [3]]", '"name" is not a string'],
] as const;

demo("bad records go to dead letters, and the rest into the database", async (host, bench) => {
  const rows = places(25).map((place) => JSON.stringify(place));
  rows.splice(12, 0, ...BAD.map(([raw]) => raw));
  rows.splice(3, 0, '{"name": "\0"}');
  // In Windows-1252 an é is one byte, which isn't UTF-8.
  const bytes = encode(`[${rows.join(",\n")}]`).map((byte) => byte || 0xe9);
  const input = await bench.input(bytes);
  await using run = await bench.run(host, input);
  assertEquals(await run.end(), 3);

  const bad = 1 + BAD.length;
  const path = `${bench.database}.bad.jsonl`;
  assertEquals(number(run, "rows in"), rows.length);
  assertEquals(number(run, "bad records"), bad);
  assertEquals([number(run, "rows in the database"), bench.rows()], [25, 25]);
  assertStringIncludes(
    run.stderr,
    `Bad records: ${bad} (${path}).\nThe first is record 4: not UTF`,
  );
  const letters = (await Deno.readTextFile(path)).trimEnd().split("\n").map((l) => JSON.parse(l));
  assertEquals(letters.map(({ record }) => record), [4, ...BAD.keys().map((i) => i + 14)]);
  assertEquals(letters.map(({ raw }) => raw), ['{"name": "é"}', ...BAD.map(([raw]) => raw)]);
  letters.slice(1).forEach(({ reason }, i) => assertStringIncludes(reason, BAD[i]![1]));

  await Deno.remove(bench.database);
  await using again = await bench.run(host, input);
  assertEquals([await again.end(), again.stdout], [2, ""]);
  assertStringIncludes(again.stderr, "--dead-letters must be a new file");
  assertEquals(bench.files(), ["places.sqlite.bad.jsonl"]);
});

demo("bad records go to the file that you name, or to none", async (host, bench) => {
  const input = await bench.input([...places(3), 1, 2]);
  const letters = `${bench.directory}/letters`;
  await using run = await Program.start(host, INGEST, [
    ...["--input", input, "--dead-letters", letters],
  ]);
  assertEquals(await run.end(), 3);
  assertEquals((await Deno.readTextFile(letters)).split("\n").length, 3);
  await using none = await Program.start(host, INGEST, ["--input", input]);
  assertEquals(await none.end(), 3);
  assertMatch(none.stderr, /^Bad records: 2 \(not kept; --database or --dead-letters/);
  assertEquals(bench.files(), ["letters"]);
});

demo("dead letters that can't be written stop the job", async (host, bench) => {
  const input = await bench.input([...places(20), 1]);
  const letters = `${bench.directory}/input-letters`;
  await Deno.symlink(`${bench.directory}/none/letters`, letters);
  await using run = await bench.run(host, input, "--dead-letters", letters);
  assertEquals(await run.end(), 1);
  assertMatch(run.stderr, /^\S+input-letters: .*\n.*be writable/);
  bench.assertAccounts(run);
});

demo("the job stops at more bad records than --max-bad", async (host, bench) => {
  const input = await bench.input([...places(20), 1, 2]);
  await using run = await bench.run(host, input, "--max-bad", "1");
  assertEquals(await run.end(), 1);
  assertMatch(run.stderr, /^Record 22 of \S+ is bad: not an object: 2\.\n.*--limit 21/);
  assertEquals([number(run, "written"), number(run, "bad")], [bench.rows(), 2]);
  assertEquals(bench.files(), ["places.sqlite", "places.sqlite.bad.jsonl"]);
});

for (
  const [what, tail, message] of [
    ["lacks its end", ',{"name": "', "the input ends inside of a record"],
    ["lacks a record", ",]", '"]" where a record should be'],
  ] as const
) {
  demo(
    `an input that ${what}: the error names the record, and the ones before can be read`,
    async (host, bench) => {
      const input = await bench.input(JSON.stringify(places(55)).replace(/\]$/, tail));
      await using run = await bench.run(host, input);
      assertEquals(await run.end(), 1);
      assertMatch(run.stderr, /^Record 56 of /);
      assertStringIncludes(run.stderr, message);
      assertStringIncludes(run.stderr, "--limit 55");
      bench.assertAccounts(run);

      await Deno.remove(bench.database);
      await using again = await bench.run(host, input, "--limit", "55");
      assertEquals([await again.end(), bench.rows()], [0, 55]);
    },
  );
}

demo("wrong options are explained before anything is done", async (host, bench) => {
  const input = await bench.input(places(1));
  const missing = `${bench.directory}/none`;
  await Promise.all([
    ["--batch", "0"],
    ["--nonsense"],
    ["--database", `${missing}/places.sqlite`],
    ["--input", missing],
  ].map(async (args) => {
    await using run = await bench.run(host, input, ...args);
    assertEquals([await run.end(), run.stdout], [2, ""]);
    assertStringIncludes(run.stderr.split("\n")[0]!, args[0]!);
    assertStringIncludes(run.stderr, "--input <file>");
    assert(!run.stderr.includes("    at "), run.stderr);
  }));
  assertEquals(bench.files(), []);
  await using help = await Program.start(host, INGEST, ["--help"]);
  assertEquals([await help.end(), help.stderr], [0, ""]);
  assertStringIncludes(help.stdout, "--input <file>");
});

Deno.test("each option has a rule", () => {
  const [here, file] = [import.meta.dirname!, import.meta.filename!];
  const wrong: Array<[args: string[], rule: string]> = [
    [["--batch", "0"], "--batch must be a whole number from 1 to 999999999; got "],
    [["--batch=-1"], "--batch must be a whole number from 1 "],
    [["--batch", "1e3"], "--batch must be a whole number from 1 "],
    [["--workers", "0"], "--workers must be a whole number from 1 "],
    [["--limit", "x"], "--limit must be a whole number from 1 "],
    [["--latency", "Infinity"], "--latency must be a whole number from 0 "],
    [["--max-bad", ""], "--max-bad must be a whole number from 0 "],
    [["--max-pages", "9999999999"], "--max-pages must be a whole number from 1 "],
    [["--limit"], "--limit"],
    [["file.json"], "file.json"],
    [["--database", ""], "--database must be a path"],
    [["--database", here], "--database must be a file; "],
    [
      ["--database", `${here}/none/x`],
      `--database must be in a directory that exists; ${here}/none `,
    ],
    [["--dead-letters", `${here}/none/x`], "--dead-letters must be in a directory that exists"],
    [["--dead-letters", file], "--dead-letters must be a new file"],
    [["--input", `${here}/none`], `--input must be a file; ${here}/none does not exist`],
    [["--resume"], "--resume needs --database"],
    [["--input", here], `--input must be a file; ${here} is not a file`],
  ];
  for (const [args, rule] of wrong) {
    assertStringIncludes(assertThrows(() => readOptions(args), Error).message, rule);
  }
  const { batch, latency, maxBad } = readOptions(["--batch=1", "--latency=0", "--max-bad=0"])!;
  assertEquals([batch, latency, maxBad], [1, 0, 0]);
});

demo("the error names a file that isn't a database", async (host, bench) => {
  const input = await bench.input(places(1));
  await using run = await Program.start(host, INGEST, ["--input", input, "--database", input]);
  assertEquals(await run.end(), 1);
  assertStringIncludes(run.stderr, "not a database.\nGive another file with --database");
});

for (const flag of ["--no-strip-types", "--no-experimental-sqlite"]) {
  Deno.test(`a runtime that is too old: the program says which one you need: node ${flag}`, async () => {
    for (const program of [INGEST, "examples/http_ingest.js"]) {
      await using run = new Program([await binary("node24"), flag, program]);
      assertEquals([await run.end(), run.stdout], [1, ""]);
      assertMatch(
        run.stderr,
        /^This program needs Node 22\.18, .*; this is Node 24\.\d+\.\d+\.\n$/,
      );
    }
  });
}
