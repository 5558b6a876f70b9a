/** A child: runs the cases that its arguments name, one by one, and is left to exit by itself. */

import process from "node:process";
import { cases } from "./cases.ts";

// Not awaited at the top: there an event loop that runs dry is an error.
(async () => {
  for (const name of process.argv.slice(2)) {
    console.log(`# ${name}`);
    await cases.find((known) => known.name === name)!.run();
  }
})();
