/** The scope of all that is exported: what a backend shows as the library that measured. */

/** The name of the package. */
export const SCOPE = "@weir/opentelemetry";

/** Its version. A test holds it equal to `deno.json`. */
export const VERSION = "0.1.0";
