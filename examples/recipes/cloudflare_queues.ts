/**
 * The need: a Cloudflare Queue brings a batch of messages to your Worker. You want to handle several at once,
 * and ack or retry each message separately.
 *
 * The idea: `withDeliveries` gives each message as a `Delivery`, and `acked` of `@weir/nats/delivery` makes a
 * handler that acknowledges it. When your function returns, Cloudflare acks the messages that you said nothing
 * about. `withDeliveries` retries them instead.
 *
 * The limits:
 *
 * - Make a sink in each call: requests of a Worker can't share one.
 * - A message may come twice. Use `value.id` to notice.
 * - It has run in workerd, and not on the network of Cloudflare.
 *
 * Next: [Cloudflare Queues](../../docs/recipes/cloudflare-queues.md) has the traps, and
 * [Workers and the edge](../../docs/edge.md) the rules for requests.
 */

// @ts-types="../../node_modules/@cloudflare/workers-types/index.ts" Deno finds the types there.
import type { Message, MessageBatch } from "@cloudflare/workers-types";
// In your project: from "@weir/streams", and from "@weir/nats/delivery".
import { backoff, Fanout } from "../../mod.ts";
import { acked, type Delivery, delivery, nakAll } from "../../packages/nats/delivery.ts";

/** The longest time that a queue delays a message, in seconds. */
const LONGEST = 43_200;

/** Gives the messages of a batch to `handle` as deliveries. Retries those that it doesn't settle. */
export async function withDeliveries<T>(
  batch: MessageBatch<T>,
  handle: (deliveries: readonly Delivery<Message<T>>[]) => Promise<void>,
): Promise<void> {
  const deliveries = batch.messages.map((message) =>
    delivery(message, {
      deliveries: message.attempts,
      ack: () => message.ack(),
      nak: (delay) =>
        // Without a delay, the platform uses the `retry_delay` of the queue.
        delay === undefined
          ? message.retry()
          : message.retry({ delaySeconds: Math.min(LONGEST, Math.ceil(delay / 1000)) }),
    })
  );
  try {
    await handle(deliveries);
  } finally {
    nakAll(deliveries);
  }
}

/** A message of the queue. */
interface Order {
  readonly id: string;
}

/** The variables of the Worker. */
interface Env {
  /** A URL that takes orders by POST. */
  readonly SHOP: string;
  /** A URL that takes the orders that failed for good. */
  readonly DEAD_LETTERS: string;
}

async function post(url: string, body: unknown, signal?: AbortSignal): Promise<void> {
  const response = await fetch(url, {
    method: "POST",
    body: JSON.stringify(body),
    signal: signal ?? null,
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
}

export default {
  async queue(batch: MessageBatch<Order>, env: Env): Promise<void> {
    await withDeliveries(batch, async (deliveries) => {
      const work = acked(
        ({ value }: Delivery<Message<Order>>, { signal }: { signal: AbortSignal }) =>
          post(env.SHOP, value.body, signal),
        {
          // With `max_retries: 3`, the queue deletes a message after the fourth delivery.
          maxDeliveries: 4,
          onPoison: ({ value }, error) =>
            post(env.DEAD_LETTERS, { order: value.body, error: String(error) }),
        },
      );
      // One for each batch: requests of a Worker can't share a sink.
      const sink = new Fanout(
        work,
        work.options({
          concurrency: 6, // a call may have six connections open
          timeout: 10_000,
          retry: backoff({ attempts: 2, min: 100 }),
          onError: (error: unknown) => console.error(`not done: ${error}`),
        }),
      );
      await sink.consume(deliveries);
      await sink.close();
    });
  },
};
