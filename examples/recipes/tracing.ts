/**
 * The need: a log line or a span of work in a queue should belong to the request that asked for it. But the
 * handler runs later, in another asynchronous context.
 *
 * The idea: the option `snapshot` of a sink is called when an item comes in. It returns a function that runs
 * the handler in the context of that moment. `AsyncLocalStorage.snapshot` is such a function.
 *
 * The limits:
 *
 * - In an `Aggregator`, a batch has items of several callers. Its handler runs in the context of the first one.
 * - Browsers have no `AsyncLocalStorage`. Cloudflare Workers have it with the flag `nodejs_als`.
 *
 * Next: [@weir/opentelemetry](../../packages/opentelemetry/README.md) makes spans and metrics for you.
 */

import { AsyncLocalStorage } from "node:async_hooks";
// In your project: from "@weir/streams".
import { Fanout, type Runner } from "../../mod.ts";

/** For the option `snapshot` of a sink. Its handler then runs in the context of the caller of `push`. */
export function callersContext(): Runner {
  return AsyncLocalStorage.snapshot();
}

if (import.meta.main) {
  const request = new AsyncLocalStorage<string>();
  const log = (message: string) => console.log(`[${request.getStore()}] ${message}`);

  await using mails = new Fanout(async (to: string) => {
    log(`connecting for ${to}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
    log(`sent to ${to}`);
  }, { concurrency: 2, snapshot: callersContext });

  request.run("request 1", () => mails.tryPush("ada"));
  request.run("request 2", () => mails.tryPush("lin"));
  request.run("request 3", () => mails.tryPush("joe"));
}
