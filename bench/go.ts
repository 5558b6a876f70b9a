/** The Go originals in `bench/go`: each is a program that prints what its cases took. */

const ROOT = decodeURIComponent(new URL("go/", import.meta.url).pathname);

/** Each a module of its own: one that cannot be had does not take the others with it. */
const PROGRAMS = {
  channelx: "channelx",
  kratos: "Kratos fanout",
  singleflight: "x/sync singleflight",
  gozero: "go-zero executors",
};

/** Nanoseconds for one item. */
export interface Original {
  readonly name: string;
  readonly median: number;
  readonly minimum: number;
}

/** What was measured, and a word on what was not. */
export interface Originals {
  /** Such as `go1.26.8`. */
  readonly version?: string;
  readonly cases: readonly Original[];
  readonly skipped: readonly string[];
}

/** Runs the originals with `n` items. */
export async function go(n: number, rounds: number): Promise<Originals> {
  const version = await run("env", "GOVERSION").catch(() => undefined);
  if (version === undefined) return { cases: [], skipped: ["Go: it is not on this machine"] };
  const cases: Original[] = [];
  const skipped: string[] = [];
  for (const [program, title] of Object.entries(PROGRAMS)) {
    try {
      // A sum that is missing is added, not an error.
      const output = await run("-C", program, "run", "-mod=mod", ".", String(n), String(rounds));
      cases.push(...JSON.parse(output));
    } catch (error) {
      skipped.push(`${title}: ${(error as Error).message}`);
    }
  }
  return { version: version.trim(), cases, skipped };
}

async function run(...args: string[]): Promise<string> {
  const command = new Deno.Command("go", { args, cwd: ROOT, stdin: "null" });
  const { success, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(reason(decoder.decode(stderr)));
  return decoder.decode(stdout);
}

/** The last word of it, without addresses. */
function reason(output: string): string {
  const line = output.trim().split("\n").at(-1) || "it failed";
  return line.replace("server response:", "").replace(/https?:\S+/g, "").replace(/\.$/, "").trim();
}
