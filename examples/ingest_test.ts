/** The main job as a user runs it: what it writes, prints and leaves, also when the user stops it. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { bar } from "./ingest/progress.ts";
import { demo, INGEST, number, places } from "./support/ingest.ts";
import { command, inEach, Program, sleep } from "./support/program.ts";

demo("the rows that it read are in the database", async (host, bench) => {
  await using run = await bench.run(host, await bench.input(places(105)));
  assertEquals([await run.end(), run.stderr], [0, ""]);
  assertEquals(number(run, "rows in"), 105);
  assertEquals(number(run, "bad records"), 0);
  assertEquals(number(run, "rows in the database"), 105);
  assertEquals(number(run, "batches"), 11);
  assertEquals(number(run, "look-ups asked"), 105);
  assertEquals(number(run, "look-ups made"), 11);
  assertMatch(run.stdout, /Batched is [\d.]+ times as fast/);
  assertEquals(bench.rows(), 105);
  assertEquals(bench.files(), ["places.sqlite"]);

  const database = bench.open();
  const row = database.prepare("SELECT * FROM places WHERE name = ?").get('Place 40 {"é"}');
  database.close();
  assertEquals({ ...row }, {
    record: 41,
    name: 'Place 40 {"é"}',
    lat: 40.5,
    lng: -1.25,
    code: "AE",
    country: "United Arab Emirates",
  });
});

demo("the cities go to a temporary database, which it removes", async (host) => {
  await using run = await Program.start(host, INGEST, ["--limit", "1010"]);
  assertEquals([await run.end(), run.stderr], [0, ""]);
  assertEquals(number(run, "rows in the database"), 1010);
  assertEquals(number(run, "batches"), 2);
});

demo("an input without rows is no failure", async (host, bench) => {
  await using run = await bench.run(host, await bench.input(" [ ]\n"));
  assertEquals([await run.end(), run.stderr], [0, ""]);
  assertEquals(number(run, "rows in the database"), 0);
});

demo("without a terminal it prints lines", async (host, bench) => {
  const input = await bench.input(places(30));
  await using run = await bench.run(host, input, "--latency", "1500");
  await run.end();
  assertMatch(run.stdout, /^100 % +0 rows +0 rows\/s +3 running, 0 waiting$/m);
  assert(!run.stdout.includes("\r") && !run.stdout.includes("\x1b"), run.stdout);
});

Deno.test("the bar fits the terminal, and also works if the width is not known", () => {
  const now = { fraction: 0.5, rows: 1234, running: 8, waiting: 0 };
  const usual = bar(now, 1000, 80);
  assertMatch(usual, /^█+░+ {2}50 % {4}1,234 rows {4}1,000 rows\/s {2}8 running, 0 waiting$/);
  for (const unknown of [0, NaN, undefined]) assertEquals(bar(now, 1000, unknown), usual);
  const text = usual.replace(/^[█░]+ /, "");
  for (let columns = 1; columns < 200; columns++) {
    const shown = bar(now, 1000, columns);
    assert(shown.length < columns, `${columns}: ${shown}`);
    assert(shown.endsWith(text.slice(0, columns - 1)), `${columns}: ${shown}`);
  }
});

// `script` of util-linux makes a terminal.
inEach("demo: a terminal that reports 0 columns gets a bar", async (host, directory) => {
  const input = `${directory}/input.json`;
  await Deno.writeTextFile(input, JSON.stringify(places(30)));
  const parts = [...await command(host, INGEST), "--input", input, "--latency", "500"];
  const line = parts.map((part) => `'${part}'`).join(" ");
  await using run = new Program(["script", "-qec", `stty cols 0; ${line}`, "/dev/null"]);
  assertEquals(await run.end(), 0, run.output);
  assertMatch(run.stdout, /[█░]{10,} +\d+ % +0 rows +0 rows\/s +1 running, 0 waiting\r/);
}, { ignore: Deno.build.os !== "linux" });

demo("a database that another connection locks has whole batches", async (host, bench) => {
  const input = await bench.input(places(300));
  await using run = await bench.run(host, input, "--latency", "200", "--workers", "2");
  while (bench.rows() < 20) await sleep(10);
  const other = bench.open();
  other.exec("BEGIN EXCLUSIVE");
  const code = await run.end();
  other.exec("ROLLBACK");
  other.close();
  assertEquals(code, 1);
  assertMatch(run.stderr, /^\S+: database is locked\.\nClose the program that locks it/);
  bench.assertAccounts(run);
  assert(bench.rows() >= 20);
});

demo("a full database has whole batches", async (host, bench) => {
  const input = await bench.input(places(2000));
  await using run = await bench.run(host, input, "--max-pages", "5");
  assertEquals(await run.end(), 1);
  assertMatch(run.stderr, /^\S+: database or disk is full\.\nMake room/);
  bench.assertAccounts(run);
  assert(bench.rows() > 0);
});

demo("a database from an earlier run stays as it is", async (host, bench) => {
  const input = await bench.input(places(20));
  await using first = await bench.run(host, input);
  assertEquals(await first.end(), 0);
  await using second = await bench.run(host, input);
  assertEquals(await second.end(), 1);
  assertMatch(
    second.stderr,
    /already exists\.\nIt is from an earlier run: continue that with --resume/,
  );
  assertEquals(bench.rows(), 20);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  demo(`${signal} drains: the rows that were read are written`, async (host, bench) => {
    const input = await bench.input(places(2000));
    await using run = await bench.run(host, input, "--latency", "300", "--workers", "2");
    await run.says(/ [1-9]\d* rows/);
    run.signal(signal);
    assertEquals([await run.end(), run.stderr], [130, ""]);
    assertStringIncludes(run.stdout, "Stopping");
    assertEquals(number(run, "discarded"), 0);
    // The last batch may be smaller.
    bench.assertAccounts(run, { whole: false });
    assert(bench.rows() > 0 && bench.rows() < 2000);
  });
}

demo("Ctrl-C twice discards at once the rows that are not written", async (host, bench) => {
  const input = await bench.input(places(2000));
  // It would take a day to wait for the first batch.
  await using run = await bench.run(host, input, "--latency", "86400000", "--workers", "2");
  await run.says(/ 2 running/);
  run.signal("SIGINT");
  await run.says(/Stopping/);
  await sleep(300);
  run.signal("SIGINT");
  assertEquals([await run.end(), run.stderr], [130, ""]);
  bench.assertAccounts(run);
  assert(number(run, "discarded") > 0);
});

demo(
  "--resume writes the rows that an interrupted run did not write, once",
  async (host, bench) => {
    const input = await bench.input([...places(2000), 1]);
    await using first = await bench.run(host, input, "--latency", "300", "--workers", "2");
    await first.says(/ [1-9]\d* rows/);
    first.signal("SIGINT");
    await first.says(/Stopping/);
    await sleep(300);
    first.signal("SIGINT"); // leaves gaps
    assertEquals(await first.end(), 130);
    assertStringIncludes(first.stdout, "run it again with --resume");
    const before = bench.rows();
    assert(before > 0 && before < 2000);

    await using second = await bench.run(host, input, "--resume", "--latency", "0");
    assertEquals(await second.end(), 3, second.output);
    assertEquals(number(second, "written before"), before);
    assertEquals([number(second, "rows in the database"), bench.rows()], [2000, 2000]);
    assertEquals(number(second, "batches"), Math.ceil((2000 - before) / 10));

    // Again: there is nothing to write, and the bad record is kept once.
    await using third = await bench.run(host, input, "--resume");
    assertEquals(await third.end(), 3, third.output);
    assertEquals([number(third, "written before"), number(third, "batches")], [2000, 0]);
    const letters = await Deno.readTextFile(`${bench.database}.bad.jsonl`);
    assertEquals(JSON.parse(letters).record, 2001);
  },
);

demo("Ctrl-C during the run row by row keeps the first result", async (host) => {
  await using run = await Program.start(host, INGEST, ["--limit", "20000"]);
  await run.says(/One row a transaction/);
  run.signal("SIGINT");
  assertEquals([await run.end(), run.stderr], [130, ""]);
  assertEquals(number(run, "rows in the database"), 20_000);
  assertMatch(run.stdout, /Interrupted while/);
});

inEach(
  "demo: a reader that closes the pipe ends it, and no file is left",
  async (host, directory) => {
    const line = (await command(host, INGEST)).map((part) => `'${part}'`).join(" ");
    const script = `(TMPDIR=${directory} ${line}; echo $? >&2) | head -1`;
    await using run = new Program(["sh", "-c", script]);
    await run.end();
    assertEquals(run.stderr, "130\n");
    assertMatch(run.stdout, /^\S+ to a temporary database\n$/);
    assertEquals([...Deno.readDirSync(directory)], []);
  },
  { ignore: Deno.build.os === "windows" },
);

inEach(
  "demo: it says that it can't print, and leaves no file",
  async (host, directory) => {
    const line = (await command(host, INGEST)).map((part) => `'${part}'`).join(" ");
    await using run = new Program(["sh", "-c", `TMPDIR=${directory} ${line} > /dev/full`]);
    assertEquals(await run.end(), 1);
    assertMatch(run.stderr, /^Cannot print: .*[Nn]o space left on device.*\n$/);
    assertEquals([...Deno.readDirSync(directory)], []);
  },
  { ignore: Deno.build.os !== "linux" },
);
