/** A child process: runs the cases that its arguments name, one by one, and must exit by itself. */

import process from "node:process";
import { cases } from "./cases.ts";

// Not awaited at the top level, where an empty event loop is an error.
(async () => {
  for (const name of process.argv.slice(2)) {
    console.log(`# ${name}`);
    await cases.find((known) => known.name === name)!.run();
  }
})();
