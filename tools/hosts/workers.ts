/** Runtimes of edge workers, which have only web APIs. The suite is one module there. */

import { binary, title } from "../runtimes.ts";
import { bundleForWeb } from "./bundle.ts";
import { follow, spawn } from "./follow.ts";
import type { Host } from "./host.ts";

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

/** workerd, Cloudflare's runtime: a plain `workerd test` without a flag. */
export const workerd: Host = {
  name: "workerd",
  title: () => Promise.resolve(title("workerd")),
  async run(files) {
    const directory = ".build/workerd";
    const start = "export default { test: () => tellAll((line) => console.log(line)) };";
    await Deno.mkdir(directory, { recursive: true });
    await Deno.writeTextFile(`${directory}/suite.js`, await bundleForWeb(files, start));
    await Deno.writeTextFile(`${directory}/config.capnp`, CONFIG);
    const args = ["test", `${directory}/config.capnp`];
    return await follow(title("workerd"), spawn(await binary("workerd"), args));
  },
};

/** The edge VM, in which Vercel's edge functions are developed. A program for Node starts it. */
export const edge: Host = {
  name: "edge",
  async title() {
    const { devDependencies } = JSON.parse(await Deno.readTextFile("package.json"));
    return `edge-vm ${devDependencies["@edge-runtime/vm"]}`;
  },
  async run(files) {
    const suite = ".build/edge.js";
    const start = "tellAll((line) => console.log(line));";
    await Deno.mkdir(".build", { recursive: true });
    await Deno.writeTextFile(suite, await bundleForWeb(files, start));
    const args = ["tools/hosts/edge_vm.ts", suite];
    return await follow(await edge.title(), spawn(await binary("node24"), args));
  },
};
