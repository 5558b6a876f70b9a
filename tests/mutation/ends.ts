/**
 * Reports events that Node's runner reports too late or never: a hanging test, a process that dies.
 */

import { writeSync } from "node:fs";
import { performance } from "node:perf_hooks";
import process from "node:process";
import { setInterval } from "node:timers";

/** An event loop that is idle for this long, in milliseconds, has nothing left to do. */
const IDLE = 1000;
/** An event loop that is busy for this long is endless: no file takes a quarter of it. */
const BUSY = 20_000;

let last = performance.eventLoopUtilization();
let spare = 0;

setInterval(() => {
  const { idle, utilization } = performance.eventLoopUtilization(last);
  last = performance.eventLoopUtilization();
  spare = utilization < 0.1 ? spare + idle : 0;
  if (spare < IDLE && last.active < BUSY) return;
  writeSync(1, "\nnot ok 1 - a test never settles\n");
  process.exit(1);
}, IDLE / 4).unref();

process.on("exit", (code) => {
  if (code !== 0) writeSync(1, "\nnot ok 1 - the process fails\n");
});
