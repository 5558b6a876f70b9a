/**
 * The need: many tenants share your workers. A tenant that is slow, or sends too much, must not slow down or
 * shut out the others.
 *
 * The idea: the tenant is the `key` of a `Fanout`, so one handler runs for it at a time. That is not enough:
 * the items of a slow tenant fill the queue, and the others are refused. `keyCapacity` also limits how many
 * items of one tenant wait. A tenant that is over its limit is refused, and the others aren't.
 *
 * The limits:
 *
 * - `capacity` and `concurrency` still limit all tenants together. Leave room for several slow ones.
 * - A tenant has one handler at a time, unless you give it lanes.
 * - All tenants are equal. For urgent items, see [priority.ts](priority.ts).
 *
 * Next: [load_shedding.ts](load_shedding.ts) answers 503 when all tenants together are too much.
 */

// In your project: from "@weir/streams".
import { Fanout, type FanoutHandler, type FanoutOptions } from "../../mod.ts";

/** Options of `bulkhead`. */
export interface BulkheadOptions<T> extends Omit<FanoutOptions<T>, "key" | "keyCapacity"> {
  /** The tenant of an item. */
  readonly tenant: (item: T) => string;
  /**
   * The lane of an item. One handler runs at a time for each lane of a tenant. With `(job) => job.id % 4` a
   * tenant has at most four, and the jobs of one id stay in order. A full lane refuses items, even if
   * another lane has room. By default a tenant has one lane.
   */
  readonly lane?: (item: T) => number;
  /** The most items that may wait for one lane. */
  readonly waiting: number;
}

/**
 * Makes a `Fanout` whose tenants don't hold each other up. `tryPush` and `trySubmit` refuse only the tenant
 * that has too many items waiting: answer it with 429. A `push` of that tenant waits, and those of the
 * others don't.
 */
export function bulkhead<T, R>(
  handler: FanoutHandler<T, R>,
  { tenant, lane = () => 0, waiting, ...options }: BulkheadOptions<T>,
): Fanout<T, R> {
  return new Fanout(handler, {
    ...options,
    key: (item) => `${lane(item)} ${tenant(item)}`,
    keyCapacity: waiting,
  });
}

if (import.meta.main) {
  // 50 tenants. One is slow, and makes 2 % of the traffic.
  const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  for (const waiting of [Infinity, 4]) {
    const jobs = bulkhead((tenant: string) => sleep(tenant === "slow" ? 2000 : 2), {
      tenant: (tenant) => tenant,
      waiting,
      concurrency: 16,
      capacity: 64,
    });
    const refused = { slow: 0, others: 0 };
    for (let round = 0; round < 100; round++) {
      if (!jobs.tryPush("slow")) refused.slow++;
      for (let id = 1; id < 50; id++) if (!jobs.tryPush(`tenant ${id}`)) refused.others++;
      await sleep(10);
    }
    console.log(`waiting: ${waiting}: refused of the slow tenant ${refused.slow} of 100,`);
    console.log(`  of the others ${refused.others} of 4900`);
    await jobs.abort();
  }
}
