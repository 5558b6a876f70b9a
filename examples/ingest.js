/** Starts the program in `ingest/`. On a runtime that is too old, it says which one you need. */

import { supported } from "./runtime.js";

if (await supported()) await import("./ingest/main.ts");
