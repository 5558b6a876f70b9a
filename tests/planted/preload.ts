/**
 * The same schedules for each bug, and none beyond the first that fails: a smaller one would only
 * be easier to read.
 */

import fc from "fast-check";

fc.configureGlobal({ seed: 1, endOnFailure: true });
