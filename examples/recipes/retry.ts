/**
 * The need: the other side fails now and then, or hangs. Each item has a few attempts, with pauses
 * that grow, and each attempt has a deadline. The `timeout` of the sink is the deadline of them all.
 */

import { deadline } from "@std/async/deadline";
import { retry, type RetryOptions } from "@std/async/retry";
// In a project of yours: from "@weir/streams".
import { Fanout, type FanoutHandler } from "../../mod.ts";

/** A handler that tries again. An attempt that takes longer than `limit` ms is aborted. */
export function retrying<T, R>(
  handler: FanoutHandler<T, R>,
  limit: number,
  options?: RetryOptions,
): FanoutHandler<T, R> {
  return (item, { signal }) =>
    retry(async () => {
      const attempt = new AbortController();
      const context = { signal: AbortSignal.any([signal, attempt.signal]) };
      try {
        return await deadline(Promise.resolve(handler(item, context)), limit, { signal });
      } finally {
        attempt.abort(); // the deadline only stops waiting; this ends what it waited for
      }
    }, { ...options, signal, isRetriable: () => !signal.aborted });
}

if (import.meta.main) {
  const send = (to: string) => {
    const delivered = Math.random() > 0.5;
    console.log(delivered ? `${to}: sent` : `${to}: busy`);
    if (!delivered) throw new Error(`${to}: busy`);
  };
  await using mails = new Fanout(retrying(send, 1000, { minTimeout: 50 }), {
    concurrency: 2,
    timeout: 10_000,
    onError: (error, to) => console.log(`${to}: given up, ${error}`),
  });
  await mails.consume(["ada", "joe", "lin"]);
}
