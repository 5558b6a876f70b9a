/** Follows a suite from outside its runtime. */

import { deadline } from "@std/async/deadline";
import type { Report, TestResult } from "./host.ts";
import type { Message } from "../../tests/support/telling.ts";

/**
 * Longer than a test may take, in milliseconds. A suite that is silent for this long is stuck in a
 * loop.
 */
const SILENCE = 90_000;
const PROGRESS = 500;

/** The source of the messages. */
export interface Source {
  readonly lines: AsyncIterator<string>;
  /** Ends the sender. */
  readonly stop: () => void;
}

/** Reads all messages. If they stop, it returns a complaint that names the test. */
export async function follow(title: string, { lines, stop }: Source): Promise<Report> {
  const results: TestResult[] = [];
  const output: string[] = [];
  let tests = 0;
  let running = "before the first test";
  let ending: string | undefined;
  while (ending === undefined) {
    const next = await deadline(lines.next(), SILENCE).catch((error: unknown) => String(error));
    if (typeof next === "string") ending = `${running}: nothing for ${SILENCE} ms (${next})`;
    else if (next.done) ending = `${running}: the runtime ended before the tests`;
    else if (!next.value.startsWith("{")) output.push(next.value);
    else {
      const message = JSON.parse(next.value) as Message;
      if ("over" in message) break;
      if ("tests" in message) tests = message.tests;
      else if ("starts" in message) running = message.starts;
      else {
        results.push({ name: message.ended, outcome: message.outcome });
        if (message.outcome === "failed") output.push(`${message.ended}\n${message.error}\n`);
        if (results.length % PROGRESS === 0) {
          console.log(`      ${title} ... ${results.length} of ${tests}`);
        }
      }
    }
  }
  stop();
  const complaints = ending === undefined ? [] : [ending];
  if (results.length < tests) complaints.push(`tests that have not run: ${tests - results.length}`);
  return { results, complaints, output: output.join("\n") };
}

/** The output lines of a command. */
export function spawn(command: string, args: readonly string[]): Source {
  const child = new Deno.Command(command, {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  return {
    lines: linesOf([child.stdout, child.stderr]),
    stop() {
      try {
        child.kill("SIGKILL");
      } catch {
        // The command has ended.
      }
    },
  };
}

/** Yields the lines of several outputs as they arrive. */
function linesOf(outputs: readonly ReadableStream<Uint8Array>[]): AsyncIterator<string> {
  const { readable, writable } = new TransformStream<string, string>();
  const writer = writable.getWriter();
  const reading = outputs.map(async (output) => {
    let rest = "";
    for await (const text of output.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) await writer.write(line);
    }
    if (rest) await writer.write(rest);
  });
  Promise.all(reading).finally(() => writer.close()).catch(() => {});
  return readable[Symbol.asyncIterator]();
}
