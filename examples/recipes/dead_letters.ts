/**
 * The need: some items can't be handled. You want to keep each of them with the reason, so that you can
 * look at them later, and they must not stop the others.
 *
 * The idea: a second sink takes the dead letters. `onError` of the first sink gets each item that failed, and
 * gives it to the second. With `retry`, `onError` gets an item only when `retry` has given up. `onDiscard` gets
 * the items that an abort stopped, and those that waited longer than `maxWait`.
 *
 * The limits:
 *
 * - A submitted item that fails or waits too long goes to its caller only, not to the dead letters.
 * - If the second sink fails, the first one fails, too. So no item is lost silently, but the work stops.
 * - If everything fails, workers wait for the second sink. That slows the producer down.
 *
 * Next: [shutdown.ts](shutdown.ts) closes the two sinks in the right order.
 */

// In your project: from "@weir/streams".
import {
  Aggregator,
  backoff,
  Fanout,
  type FanoutHandler,
  type FanoutOptions,
  type Sink,
} from "../../mod.ts";

/** An item that the sink could not handle, and why. */
export interface DeadLetter<T> {
  readonly item: T;
  readonly reason: unknown;
}

/**
 * Makes a `Fanout` that goes on after a failure, and gives the item to `letters`. Close `letters` after it.
 * At an abort, the items of running handlers come when the handlers end: await `idle()` before you close
 * `letters`.
 */
export function withDeadLetters<T, R>(
  handler: FanoutHandler<T, R>,
  letters: Sink<DeadLetter<T>>,
  options?: Omit<FanoutOptions<T>, "onError" | "onDiscard">,
): Fanout<T, R> {
  return new Fanout(handler, {
    ...options,
    // The worker waits for room there.
    onError: (reason, item) => letters.push({ item, reason }),
    onDiscard: (items, reason) =>
      void Promise.all(items.map((item) => letters.push({ item, reason }))),
  });
}

if (import.meta.main) {
  const letters = new Aggregator<DeadLetter<string>>((batch) => {
    for (const { item, reason } of batch) console.log(`not sent to ${item}: ${reason}`);
  }, { maxItems: 100, linger: 1000 });
  const again = backoff({ attempts: 3 });
  const mails = withDeadLetters(
    (to: string, { attempt }) => {
      if (!to.includes("@")) throw new TypeError("no address");
      if (to.startsWith("ada") && attempt === 1) throw new Error("busy");
      console.log(`sent to ${to}, attempt ${attempt}`);
    },
    letters,
    {
      // Another attempt would not help.
      retry: (error, attempt) => error instanceof TypeError ? undefined : again(error, attempt),
    },
  );
  await mails.consume(["ada@example.org", "no one", "lin@example.org"]);
  await mails.close();
  await letters.close();
}
