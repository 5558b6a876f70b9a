/**
 * The need: an item that cannot be handled is kept, with the reason, and holds up no other. `onError` is
 * told of what failed, with a `retry` only when that has given up; `onDiscard` of what an abort has stopped,
 * and of what has waited longer than `maxWait`. Of a submitted item that fails, or waits too long, only its
 * caller is told.
 */

// In a project of yours: from "@weir/streams".
import {
  Aggregator,
  backoff,
  Fanout,
  type FanoutHandler,
  type FanoutOptions,
  type Sink,
} from "../../mod.ts";

/** An item that was not handled, and why. */
export interface DeadLetter<T> {
  readonly item: T;
  readonly reason: unknown;
}

/**
 * A `Fanout` that goes on after a failure, and sends what it could not handle to another sink. Close
 * that one after this one. Should it fail, this one does too: no letter is lost without a word. At an
 * abort that is true of what runs, too, once its handler has ended: await `idle()`.
 */
export function withDeadLetters<T, R>(
  handler: FanoutHandler<T, R>,
  letters: Sink<DeadLetter<T>>,
  options?: Omit<FanoutOptions<T>, "onError" | "onDiscard">,
): Fanout<T, R> {
  return new Fanout(handler, {
    ...options,
    // The worker waits for room there: where everything fails, that slows the producer down.
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
      // What cannot get better is not tried again.
      retry: (error, attempt) => error instanceof TypeError ? undefined : again(error, attempt),
    },
  );
  await mails.consume(["ada@example.org", "nobody", "lin@example.org"]);
  await mails.close();
  await letters.close();
}
