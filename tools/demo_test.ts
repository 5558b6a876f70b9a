/** The main job, as a user runs it: `examples/ingest.ts` as a process, in each runtime. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Bench, type Host, hosts, places, Run, sleep } from "./demo.ts";

/** One test in each runtime. */
function demo(name: string, body: (host: Host, bench: Bench) => Promise<void>): void {
  for (const host of hosts) {
    Deno.test(`demo in ${host}: ${name}`, async () => {
      await using bench = new Bench(await Deno.makeTempDir({ prefix: "weir-demo-" }));
      await body(host, bench);
    });
  }
}

demo("what was read is in the database", async (host, bench) => {
  await using run = await bench.run(host, await bench.input(places(205)));
  assertEquals([await run.end(), run.stderr], [0, ""]);
  assertEquals(run.number("rows in"), 205);
  assertEquals(run.number("rows in the database"), 205);
  assertEquals(run.number("batches"), 21);
  assertEquals(run.number("look-ups asked"), 205);
  assertEquals(run.number("look-ups made"), 21);
  assertMatch(run.stdout, /Batched is [\d.]+ times as fast/);
  assertEquals(bench.rows(), 205);

  const database = bench.open();
  const row = database.prepare("SELECT * FROM places WHERE name = ?").get('Place 40 {"é"}');
  database.close();
  assertEquals({ ...row }, {
    name: 'Place 40 {"é"}',
    lat: 40.5,
    lng: -1.25,
    code: "AE",
    country: "United Arab Emirates",
  });
});

demo("the cities, in a temporary database that is removed", async (host) => {
  await using run = await Run.start(host, ["--limit", "1500"]);
  assertEquals([await run.end(), run.stderr], [0, ""]);
  assertEquals(run.number("rows in the database"), 1500);
  assertEquals(run.number("batches"), 2);
});

demo("no rows are no failure", async (host, bench) => {
  await using run = await bench.run(host, await bench.input(" [ ]\n"));
  assertEquals([await run.end(), run.stderr], [0, ""]);
  assertEquals(run.number("rows in the database"), 0);
});

demo("lines, where there is no terminal", async (host, bench) => {
  const input = await bench.input(places(30));
  await using run = await bench.run(host, input, "--latency", "2500");
  await run.end();
  assertMatch(run.stdout, /^100 % +0 rows +0 rows\/s +3 running, 0 waiting$/m);
  assert(!run.stdout.includes("\r") && !run.stdout.includes("\x1b"), run.stdout);
});

demo("a bad record is named, and all before it can be read", async (host, bench) => {
  const records = places(100);
  records[55] = { name: "Nowhere", lat: "here", lng: "there", country: "AD" };
  const input = await bench.input(records);
  await using run = await bench.run(host, input);
  assertEquals(await run.end(), 1);
  assertMatch(run.stderr, /^Record 56 of \S+ is bad: "lat" or "lng" is not a coordinate: \{/);
  assertStringIncludes(run.stderr, "--limit 55");
  bench.assertAccounts(run);

  await Deno.remove(bench.database);
  await using again = await bench.run(host, input, "--limit", "55");
  assertEquals([await again.end(), bench.rows()], [0, 55]);
});

for (
  const [what, bad, message] of [
    ["is not JSON", '{"name": x}]', 'not JSON: {"name": x}'],
    ["lacks its end", '{"name": "', "the input ends inside of a record"],
    ["is no object", "3]", '"3" where { should be'],
  ] as const
) {
  demo(`a record that ${what} is named`, async (host, bench) => {
    const text = JSON.stringify(places(55)).replace(/\]$/, `,${bad}`);
    await using run = await bench.run(host, await bench.input(text));
    assertEquals(await run.end(), 1);
    assertMatch(run.stderr, /^Record 56 of /);
    assertStringIncludes(run.stderr, message);
    bench.assertAccounts(run);
  });
}

demo("an unreadable file is named, and nothing is written", async (host, bench) => {
  await using missing = await bench.run(host, `${bench.directory}/none.json`);
  assertEquals(await missing.end(), 1);
  assertMatch(missing.stderr, /^Cannot read \S+none\.json: .*ENOENT.*\nGive another file/);
  await using directory = await bench.run(host, bench.directory);
  assertEquals(await directory.end(), 1);
  assertMatch(directory.stderr, /^Cannot read .*EISDIR.*\nGive another file/);
  assertEquals(bench.rows(), 0);
});

demo("a database that another connection locks holds whole batches", async (host, bench) => {
  const input = await bench.input(places(300));
  await using run = await bench.run(host, input, "--latency", "200", "--workers", "2");
  while (bench.rows() < 20) await sleep(10);
  const other = bench.open();
  other.exec("BEGIN EXCLUSIVE");
  const code = await run.end();
  other.exec("ROLLBACK");
  other.close();
  assertEquals(code, 1);
  assertMatch(run.stderr, /^\S+: database is locked\.\nClose the program that holds it/);
  bench.assertAccounts(run);
  assert(bench.rows() >= 20);
});

demo("a full database holds whole batches", async (host, bench) => {
  const input = await bench.input(places(2000));
  await using run = await bench.run(host, input, "--max-pages", "5");
  assertEquals(await run.end(), 1);
  assertMatch(run.stderr, /^\S+: database or disk is full\.\nMake room/);
  bench.assertAccounts(run);
  assert(bench.rows() > 0);
});

demo("a database that was filled before is left as it is", async (host, bench) => {
  const input = await bench.input(places(20));
  await using first = await bench.run(host, input);
  assertEquals(await first.end(), 0);
  await using second = await bench.run(host, input);
  assertEquals(await second.end(), 1);
  assertMatch(second.stderr, /already exists\.\nAn earlier run filled it/);
  assertEquals(bench.rows(), 20);
});

demo("a place where no database can be is named", async (host, bench) => {
  const input = await bench.input(places(1));
  await using nowhere = await Run.start(host, [
    "--input",
    input,
    "--database",
    `${bench.directory}/none/places.sqlite`,
  ]);
  assertEquals(await nowhere.end(), 1);
  assertStringIncludes(nowhere.stderr, "The directory of the database must be there");
  await using other = await Run.start(host, ["--input", input, "--database", input]);
  assertEquals(await other.end(), 1);
  assertStringIncludes(other.stderr, "not a database.\nGive another file with --database");
});

demo("Ctrl-C drains: what was read is written", async (host, bench) => {
  const input = await bench.input(places(2000));
  await using run = await bench.run(host, input, "--latency", "300", "--workers", "2");
  await run.says(/ [1-9]\d* rows/);
  run.interrupt();
  assertEquals([await run.end(), run.stderr], [130, ""]);
  assertStringIncludes(run.stdout, "Stopping");
  assertEquals(run.number("discarded"), 0);
  // The last batch is what there was of it.
  bench.assertAccounts(run, { whole: false });
  assert(bench.rows() > 0 && bench.rows() < 2000);
});

demo("Ctrl-C twice discards what is not written yet, at once", async (host, bench) => {
  const input = await bench.input(places(2000));
  await using run = await bench.run(host, input, "--latency", "1800", "--workers", "2");
  await run.says(/ [1-9]\d* rows/);
  run.interrupt();
  await run.says(/Stopping/);
  await sleep(300);
  const start = performance.now();
  run.interrupt();
  assertEquals([await run.end(), run.stderr], [130, ""]);
  assert(performance.now() - start < 2500);
  bench.assertAccounts(run);
  assert(run.number("discarded") > 0);
});

demo("Ctrl-C while the rows are written one by one keeps the first result", async (host) => {
  await using run = await Run.start(host, ["--limit", "20000"]);
  await run.says(/One row a transaction/);
  run.interrupt();
  assertEquals([await run.end(), run.stderr], [130, ""]);
  assertEquals(run.number("rows in the database"), 20_000);
  assertMatch(run.stdout, /Interrupted while/);
});

demo("wrong options are explained", async (host) => {
  for (const args of [["--batch", "0"], ["--batch", "-1"], ["--nonsense"], ["file.json"]]) {
    await using run = await Run.start(host, args);
    assertEquals([await run.end(), run.stdout], [2, ""]);
    assertStringIncludes(run.stderr, "--input <file>");
  }
  await using help = await Run.start(host, ["--help"]);
  assertEquals([await help.end(), help.stderr], [0, ""]);
  assertStringIncludes(help.stdout, "--input <file>");
});
