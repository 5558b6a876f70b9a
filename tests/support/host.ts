/** Detects the runtime of the tests. */

/** All tested runtimes. */
const hosts = [
  "deno",
  "bun",
  "node22",
  "node24",
  "node26",
  "workerd",
  "edge",
  "chromium",
  "firefox",
] as const;

/** The name of a runtime. */
export type HostName = typeof hosts[number];

interface Globals {
  Deno?: unknown;
  Bun?: unknown;
  EdgeRuntime?: unknown;
  process?: { versions?: { node?: string } };
  navigator?: { userAgent?: string };
}

/** This runtime. An untested runtime has no differences. */
export const here: HostName | undefined = hosts.find((name) => name === detect());

function detect(): string | undefined {
  const { Deno, Bun, EdgeRuntime, process, navigator } = globalThis as Globals;
  // Node comes last, because most others also have a `process`.
  if (Deno) return "deno";
  if (Bun) return "bun";
  if (EdgeRuntime) return "edge";
  const agent = navigator?.userAgent ?? "";
  if (agent === "Cloudflare-Workers") return "workerd";
  if (agent.includes("Chrome/")) return "chromium";
  if (agent.includes("Firefox/")) return "firefox";
  return `node${parseInt(process?.versions?.node ?? "")}`;
}
