/** Finds the browsers of the machine, and starts them headless with a fresh profile. */

import type { HostName } from "../../tests/support/host.ts";
import { Missing } from "./host.ts";

/** A browser. */
export interface Browser {
  readonly name: HostName & ("chromium" | "firefox");
  /** The possible names of its program. The first is also the name of Debian's package. */
  readonly commands: readonly string[];
  readonly args: (profile: string) => string[];
}

/** Chromium, or Chrome. */
export const chromium: Browser = {
  name: "chromium",
  commands: ["chromium", "chromium-browser", "google-chrome"],
  args: (profile) => [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    `--user-data-dir=${profile}`,
  ],
};

/** Firefox. */
export const firefox: Browser = {
  name: "firefox",
  commands: ["firefox-esr", "firefox"],
  args: (profile) => ["--headless", "--no-remote", "--profile", profile],
};

/** A running browser. */
export interface BrowserProcess extends AsyncDisposable {
  /** Its output, if requested. */
  readonly stderr: ReadableStream<Uint8Array>;
}

/** Starts a browser. */
export async function startBrowser(
  browser: Browser,
  more: readonly string[],
  stderr: "null" | "piped" = "null",
): Promise<BrowserProcess> {
  const path = await findBrowser(browser);
  const profile = await Deno.makeTempDir({ prefix: `weir-${browser.name}-` });
  const child = new Deno.Command(path, {
    args: [...browser.args(profile), ...more],
    stdin: "null",
    stdout: "null",
    stderr,
  }).spawn();
  return {
    get stderr() {
      return child.stderr;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
      // A process of the browser may still write to the folder.
      await Deno.remove(profile, { recursive: true }).catch(() => {});
    },
  };
}

/** Its name and version. Rejects with `Missing` if the machine has none. */
export async function titleOf(browser: Browser): Promise<string> {
  const { stdout } = await new Deno.Command(await findBrowser(browser), { args: ["--version"] })
    .output();
  const [version] = /\d[\d.]+/.exec(new TextDecoder().decode(stdout)) ?? ["of unknown version"];
  return `${browser.name} ${version}`;
}

/** The first of its commands that is in the path. */
export async function findBrowser({ commands }: Browser): Promise<string> {
  const directories = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/bin"];
  for (const command of commands) {
    for (const directory of directories) {
      const path = `${directory}/${command}`;
      if (await Deno.stat(path).then((info) => info.isFile, () => false)) return path;
    }
  }
  throw new Missing(`no ${commands.join(", ")} found; in Debian: apt-get install ${commands[0]}`);
}
