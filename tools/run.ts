/** Runs a command and keeps what it printed. */

const ROOT = decodeURIComponent(new URL("../", import.meta.url).pathname);

// Deno waits for ever for a test that a live timer keeps from ending.
const LIMIT = 10 * 60_000;

/** How a command ended. */
export interface Finished {
  readonly success: boolean;
  /** Both outputs, as they came. */
  readonly output: string;
}

/** What may be said about a command. */
export interface RunOptions {
  readonly cwd?: string;
  /** What its environment has beside ours. */
  readonly env?: Record<string, string>;
  /** Show the output instead of keeping it. */
  readonly show?: boolean;
  /** What is shown at once of an output that is kept: lines that match. */
  readonly tell?: RegExp;
  /** Milliseconds of silence after which it is stopped, where the output is kept. */
  readonly limit?: number;
}

/** Run a command in the root of the repository. */
export async function run(
  command: string,
  args: readonly string[],
  { cwd = ROOT, env = {}, show = false, tell, limit = LIMIT }: RunOptions = {},
): Promise<Finished> {
  const stdio = show ? "inherit" : "piped";
  const patience = new AbortController();
  const stop = () => patience.abort();
  let timer = show ? undefined : setTimeout(stop, limit);
  const child = new Deno.Command(command, {
    args: [...args],
    cwd,
    stdin: "null",
    stdout: stdio,
    stderr: stdio,
    env: show ? env : { NO_COLOR: "1", ...env },
    ...(!show && { signal: patience.signal }),
  }).spawn();
  let output = "";
  const read = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    let line = "";
    for await (const chunk of stream) {
      const text = decoder.decode(chunk, { stream: true });
      output += text;
      const lines = (line + text).split("\n");
      line = lines.pop()!;
      for (const each of tell ? lines : []) if (tell!.test(each)) console.log(`      ${each}`);
      clearTimeout(timer);
      timer = setTimeout(stop, limit);
    }
  };
  if (!show) await Promise.all([read(child.stdout), read(child.stderr)]);
  const { success } = await child.status;
  clearTimeout(timer);
  return { success, output };
}

/** Run this very Deno. */
export function deno(args: readonly string[], options?: RunOptions): Promise<Finished> {
  return run(Deno.execPath(), args, options);
}
