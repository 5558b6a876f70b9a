/**
 * A broker in memory, for tests.
 *
 * @module
 */

export type { Delivery } from "./src/delivery/delivery.ts";
