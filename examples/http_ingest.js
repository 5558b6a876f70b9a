/** Starts the program in `http_ingest/`. On a runtime that is too old, it says which one you need. */

import { supported } from "./runtime.js";

if (await supported()) await import("./http_ingest/main.ts");
