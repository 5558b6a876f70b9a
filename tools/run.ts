/** Runs a command and keeps its output. */

const ROOT = decodeURIComponent(new URL("../", import.meta.url).pathname);

// Deno waits forever for a test with a live timer.
const LIMIT = 10 * 60_000;

/** The outcome of a command. */
export interface Finished {
  readonly success: boolean;
  /** Both outputs, in the order of arrival. */
  readonly output: string;
}

/** Options of a command. */
export interface RunOptions {
  readonly cwd?: string;
  /** More environment variables, besides ours. */
  readonly env?: Record<string, string>;
  /** Shows the output instead of keeping it. */
  readonly show?: boolean;
  /** Lines of a kept output to show at once: those that match. */
  readonly tell?: RegExp;
  /** The command is stopped after this many milliseconds of silence, if its output is kept. */
  readonly limit?: number;
}

/** Runs a command in the root of the repository. */
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

/** Runs the same Deno. */
export function deno(args: readonly string[], options?: RunOptions): Promise<Finished> {
  return run(Deno.execPath(), args, options);
}
