/** Starts the program in `ingest/`, or says which runtime it needs. */

import { supported } from "./runtime.js";

if (await supported()) await import("./ingest/main.ts");
