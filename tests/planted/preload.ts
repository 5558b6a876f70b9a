/**
 * Makes fast-check play the same schedules for each bug, and stop at the first that fails: a smaller
 * schedule would only be easier to read.
 */

import fc from "fast-check";

fc.configureGlobal({ seed: 1, endOnFailure: true });

// tests/races_test.ts takes its seeds from here.
let last = 1;
Math.random = () => (last = last * 48271 % 2147483647) / 2147483647;
