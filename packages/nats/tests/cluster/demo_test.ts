/** Tests `deno task demo:cluster`, as a new user runs it. */

import { assertEquals, assertMatch } from "@std/assert";
import { deno } from "../../../../tools/run.ts";

Deno.test("demo:cluster: each row is written once although a worker is killed, in Deno, Bun and Node", async () => {
  const options = ["--rows", "20000", "--workers", "3", "--runtimes", "deno,bun,node"];
  const { success, output } = await deno(["task", "demo:cluster", ...options]);
  assertMatch(output, /Killed worker 1 \(deno\)/);
  assertMatch(output, /published +20,000 rows, sum ([\d,]+)\nin SQLite +20,000 rows, sum \1\n/);
  assertMatch(output, /\nOK: each row is there, once\.\n/);
  assertEquals(success, true, output);
});

Deno.test("demo:cluster: a wrong option is named, and nothing starts", async () => {
  const { success, output } = await deno(["task", "demo:cluster", "--runtimes", "dino"]);
  assertEquals(success, false);
  assertMatch(output, /--runtimes must be some of deno, bun, node; got "dino"\n/);
});

Deno.test("demo:cluster: it ends normally with a single row, and a worker that has only just started", async () => {
  const { success, output } = await deno(["task", "demo:cluster", "--rows", "1", "--workers", "2"]);
  assertMatch(output, /\nOK: each row is there, once\.\n/);
  assertEquals(success, true, output);
});

Deno.test("demo:cluster: SIGTERM in the middle leaves no directory, and no process", async () => {
  const directory = await Deno.makeTempDir({ prefix: "weir-demo-" });
  try {
    await using demo = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", "examples/cluster/main.ts"],
      env: { TMPDIR: directory },
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const errors = new Response(demo.stderr).text();
    let printed = "";
    for await (const text of demo.stdout.pipeThrough(new TextDecoderStream())) {
      if (!printed.includes("in SQLite") && text.includes("in SQLite")) demo.kill("SIGTERM");
      printed += text;
    }
    assertEquals((await errors).trim(), "FAILED: interrupted");
    assertEquals((await demo.status).code, 1);
    assertEquals([...Deno.readDirSync(directory)], []);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
