/** Tests Deno's built-in OpenTelemetry: no SDK, and no set-up in code. */

import { assert, assertEquals } from "@std/assert";

const PROGRAM = new URL("program.ts", import.meta.url).href;

Deno.test("with OTEL_DENO=true, Deno exports the metrics and spans of a program", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-all", PROGRAM],
    env: {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "console",
      OTEL_METRIC_EXPORT_INTERVAL: "50",
      NO_COLOR: "1",
    },
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let output = "";
  let closed: Promise<void> | undefined;
  const done = /^METRIC weir\.queue\.done .*\n(?: .*\n)*? +\{weir\.name=mails\} value=1$/m;
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    output += text;
    if (done.test(output)) closed ??= child.stdin.close();
  }
  await closed;
  assert((await child.status).success, output);
  assert(done.test(output), output);
  assert(/^METRIC messaging\.process\.duration \(Histogram, unit=s\)$/m.test(output), output);
  const [, request] = /^SPAN request \[\w+\/(\w+)\]/m.exec(output)!;
  const [, parent] = /^SPAN process mails .*\n +parent: (\w+)$/m.exec(output)!;
  assertEquals(parent, request);
});
