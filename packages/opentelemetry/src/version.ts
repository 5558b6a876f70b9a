/** The scope of all exports, which a backend shows as the instrumenting library. */

/** The name of the package. */
export const SCOPE = "@weir/opentelemetry";

/** The version. A test compares it with `deno.json`. */
export const VERSION = "0.1.0";
