/**
 * The need: many tenants share the workers. A tenant that is slow, or sends too much, must not slow down
 * or shut out the others.
 *
 * A `key` bounds how many handlers run for a tenant, but the items that wait for a slow one still fill the
 * queue. The others then have no queue: they are refused whenever no worker is free. `keyCapacity` bounds
 * what waits of a tenant, too.
 */

// In a project of yours: from "@weir/streams".
import { Fanout, type FanoutHandler, type FanoutOptions } from "../../mod.ts";

/** Who shares the workers, and how. */
export interface BulkheadOptions<T> extends Omit<FanoutOptions<T>, "key" | "keyCapacity"> {
  /** Whose item it is. */
  readonly tenant: (item: T) => string;
  /**
   * One handler runs at a time for each lane of a tenant. With `(job) => job.id % 4` a tenant has four at
   * most, and the jobs of one id stay in order. A full lane refuses, even if another lane has room.
   *
   * @default {() => 0}, so one at a time, in order
   */
  readonly lane?: (item: T) => number;
  /** The most items that wait for each lane. */
  readonly waiting: number;
}

/**
 * A `Fanout` whose tenants don't hold each other up. `tryPush` and `trySubmit` refuse only the tenant that
 * has too much waiting: answer it with 429. Its `push` waits, while those of the others go by. `capacity`
 * and `concurrency` still bound all tenants together: leave room for several slow ones.
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
  // 50 tenants, of which one is slow: 2 % of the traffic.
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
