/**
 * The need: a log line, or a span, of work that a queue does later belongs to the request that asked
 * for it. The caller's asynchronous context travels with the item.
 */

import { AsyncLocalStorage } from "node:async_hooks";
// In a project of yours: from "@weir/streams".
import { Fanout, type Runner } from "../../mod.ts";

/** For the option `snapshot` of any sink: its handler runs in the context of who pushed the item. */
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
