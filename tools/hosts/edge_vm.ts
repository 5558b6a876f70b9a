/** A program for Node that evaluates a module without imports in the edge VM. */

import { EdgeVM } from "@edge-runtime/vm";
import { readFileSync } from "node:fs";
import process from "node:process";

const vm = new EdgeVM();
// The VM takes only scripts. This one is strict and may await, like a module.
vm.evaluate(`(async () => { "use strict"; ${readFileSync(process.argv[2]!, "utf8")}\n})()`);
// The VM crashes on an unhandled error if a listener was there and was removed.
vm.evaluate(
  `for (const event of ["error", "unhandledrejection"]) addEventListener(event, () => {});`,
);
