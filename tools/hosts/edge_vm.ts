/** A program for Node: evaluates a module that imports nothing in the edge VM. */

import { EdgeVM } from "@edge-runtime/vm";
import { readFileSync } from "node:fs";
import process from "node:process";

const vm = new EdgeVM();
// The VM takes scripts only: this one is strict and may await, as a module.
vm.evaluate(`(async () => { "use strict"; ${readFileSync(process.argv[2]!, "utf8")}\n})()`);
// The VM crashes on an error that nobody handles if a listener was there and is there no more.
vm.evaluate(
  `for (const event of ["error", "unhandledrejection"]) addEventListener(event, () => {});`,
);
