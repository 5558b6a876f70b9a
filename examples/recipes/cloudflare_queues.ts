/**
 * The need: the messages that a Cloudflare Queue brings to a Worker are handled some at a time, and each is
 * acked or retried by itself. What the handler of the Worker leaves unsaid when it returns is acked by the
 * platform: here it is retried.
 */

// @ts-types="../../node_modules/@cloudflare/workers-types/index.ts" Where Deno finds them.
import type { Message, MessageBatch } from "@cloudflare/workers-types";
// In a project of yours: from "@weir/streams", and from "@weir/nats/delivery".
// In a project of yours: from "@weir/streams", and from "@weir/nats/delivery".
import { backoff, Fanout } from "../../mod.ts";
import { acked, type Delivery, delivery, nakAll } from "../../packages/nats/delivery.ts";

/** The longest that a queue delays a message, in seconds. */
const LONGEST = 43_200;

/** Gives the messages of a batch to `handle` as deliveries, and retries those that it leaves unsettled. */
export async function withDeliveries<T>(
  batch: MessageBatch<T>,
  handle: (deliveries: readonly Delivery<Message<T>>[]) => Promise<void>,
): Promise<void> {
  const deliveries = batch.messages.map((message) =>
    delivery(message, {
      deliveries: message.attempts,
      ack: () => message.ack(),
      nak: (delay) =>
        // Without one, the platform takes the `retry_delay` of the queue.
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

/** An order, as it was sent to the queue. */
interface Order {
  readonly id: string;
}

/** The variables of the Worker. */
interface Env {
  /** Takes orders by POST. */
  readonly SHOP: string;
  /** Takes what cannot be done. */
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
          // Before `max_retries: 3` of the queue has it deleted after the fourth.
          maxDeliveries: 4,
          onPoison: ({ value }, error) =>
            post(env.DEAD_LETTERS, { order: value.body, error: String(error) }),
        },
      );
      // One a batch: requests of a Worker share no sink.
      const sink = new Fanout(
        work,
        work.options({
          concurrency: 6, // connections that an invocation may have open
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
