/** workerd, Cloudflare's runtime: a plain `workerd test`, without a flag. */

import { binary, title } from "../runtimes.ts";
import { bundleForWeb } from "./bundle.ts";
import { follow, spawn } from "./follow.ts";
import type { Host } from "./host.ts";

const DIRECTORY = ".build/workerd";
const START = "export default { test: () => tellAll((line) => console.log(line)) };";
const CONFIG = `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(
    name = "suite",
    worker = (
      modules = [(name = "suite.js", esModule = embed "suite.js")],
      compatibilityDate = "2026-11-01",
    ),
  )],
);
`;

/** The runtime. */
export const workerd: Host = {
  name: "workerd",
  pinned: true,
  title: () => Promise.resolve(title("workerd")),
  async run(files) {
    await Deno.mkdir(DIRECTORY, { recursive: true });
    await Deno.writeTextFile(`${DIRECTORY}/suite.js`, await bundleForWeb(files, START));
    await Deno.writeTextFile(`${DIRECTORY}/config.capnp`, CONFIG);
    const command = await binary("workerd");
    return await follow(title("workerd"), spawn(command, ["test", `${DIRECTORY}/config.capnp`]));
  },
};
