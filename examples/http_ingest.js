/** Starts the program in `http_ingest/`, or says which runtime it needs. */

import { supported } from "./runtime.js";

if (await supported()) await import("./http_ingest/main.ts");
