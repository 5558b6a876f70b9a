/** The edge VM, which Vercel's edge functions are developed in: it makes one in the newest Node. */

import { binary } from "../runtimes.ts";
import { bundleForWeb } from "./bundle.ts";
import { follow, spawn } from "./follow.ts";
import type { Host } from "./host.ts";

const DIRECTORY = ".build/edge";
const START = "tellAll((line) => console.log(line));";

/** The runtime. */
export const edge: Host = {
  name: "edge",
  pinned: true,
  async title() {
    const { devDependencies } = JSON.parse(await Deno.readTextFile("package.json"));
    return `edge-vm ${devDependencies["@edge-runtime/vm"]}`;
  },
  async run(files) {
    await Deno.mkdir(DIRECTORY, { recursive: true });
    await Deno.writeTextFile(`${DIRECTORY}/suite.js`, await bundleForWeb(files, START));
    const args = ["tools/hosts/edge_vm.ts", `${DIRECTORY}/suite.js`];
    return await follow(await edge.title(), spawn(await binary("node24"), args));
  },
};
