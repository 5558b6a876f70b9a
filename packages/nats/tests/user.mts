/** A user's program with `@weir/nats`, which is compiled. */

import type { Delivery } from "@weir/nats";

export const one: Delivery<number> = { value: 1, ack() {}, nak() {} };
