/**
 * The need: you handle messages of SQS, many at a time. No other worker should get a message while it waits or
 * runs here. A message is deleted when it is done.
 *
 * The idea: `sqsSource` gives each message as a `Delivery`, and `acked` of `@weir/nats/delivery` makes a handler
 * that acknowledges it. The source keeps hiding the messages that it holds. Acks go to SQS ten at a time, by an
 * `Aggregator`.
 *
 * The limits:
 *
 * - A message may come twice: after a crash, or if an ack is lost. Use `value.MessageId` to notice.
 * - Close the source when the sink has drained. Until then acks are on their way.
 * - It has not run against AWS, only the real client against a fake server.
 *
 * Next: [SQS](../../docs/recipes/sqs.md) shows a whole program, and the traps.
 */

import {
  type BatchResultErrorEntry,
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
// In your project: from "@weir/streams", and from "@weir/nats/delivery".
import { Aggregator, backoff } from "../../mod.ts";
import { type Delivery, delivery } from "../../packages/nats/delivery.ts";

/** The longest time that SQS hides a message, in seconds. */
const LONGEST = 43_200;

/** Options of {@linkcode sqsSource}. */
export interface SqsSourceOptions {
  /**
   * Gets the error of each call that failed, after the retries of the client. The source goes on. If this
   * throws, the stream errors.
   */
  readonly onError: (error: unknown) => void;
  /** The most messages that the source holds: received, and not deleted. By default 100. */
  readonly maxHeld?: number;
  /** How many calls ask for messages at once. By default 2. */
  readonly receivers?: number;
  /** For how many seconds SQS hides a message. The source renews it three times in that time. By default 30. */
  readonly visibility?: number;
  /** How long a call waits for messages, in seconds. `close` waits that long, too. By default 20. */
  readonly wait?: number;
  /** Ends the stream. The source still hides the messages that you have, until they are done. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@linkcode sqsSource} returns. */
export interface SqsSource {
  readonly readable: ReadableStream<Delivery<Message>>;
  /** Ends the stream, gives back the messages that you don't have, and waits for the acks. */
  close(): Promise<void>;
}

/** Receives messages of a queue. It begins with the first read. */
export function sqsSource(
  client: SQSClient,
  QueueUrl: string,
  options: SqsSourceOptions,
): SqsSource {
  const { maxHeld = 100, receivers = 2, visibility = 30, wait = 20, signal, onError } = options;
  /** Receipt handles of the messages that are not settled. */
  const held = new Set<string>();
  const ready: Delivery<Message>[] = [];
  const ended = Promise.withResolvers<void>();
  let changed = Promise.withResolvers<void>();
  let [asked, over] = [0, false];
  let receiving: Promise<unknown> | undefined;
  let extending: ReturnType<typeof setInterval> | undefined;
  let failure: { readonly error: unknown } | undefined;

  function wake(): void {
    changed.resolve();
    changed = Promise.withResolvers();
  }
  function end(): void {
    over = true;
    ended.resolve();
    wake();
  }
  function report(error: unknown): void {
    try {
      onError(error);
    } catch (error) {
      failure ??= { error };
      end();
    }
  }
  function release(handles: readonly string[]): void {
    for (const handle of handles) held.delete(handle);
    wake();
  }

  const again = backoff({ attempts: 5 });
  const calls = {
    maxItems: 10, // of a call of SQS
    linger: 50,
    concurrency: 2,
    capacity: Infinity, // `maxHeld` bounds it
    retry: (error: unknown, attempt: number) =>
      (error as BatchResultErrorEntry).SenderFault ? undefined : again(error, attempt),
  };
  const acks = new Aggregator(async (handles: string[]) => {
    const Entries = handles.map((ReceiptHandle, Id) => ({ Id: `${Id}`, ReceiptHandle }));
    const { Failed } = await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    const results = resultsOf(handles, Failed);
    release(handles.filter((_, index) => !results[index]));
    return results; // an `Error` retries that entry only
  }, {
    ...calls,
    onError: (error, handles) => {
      release(handles); // SQS hands it out again when it is no longer hidden
      report(error);
    },
  });
  const hide = async (entries: readonly { handle: string; seconds: number }[]) => {
    const Entries = entries.map(({ handle: ReceiptHandle, seconds }, Id) => {
      return { Id: `${Id}`, ReceiptHandle, VisibilityTimeout: seconds };
    });
    const command = new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries });
    return resultsOf(entries, (await client.send(command)).Failed);
  };
  const naks = new Aggregator(hide, { ...calls, onError: report });

  function hand(message: Message): void {
    const handle = message.ReceiptHandle!;
    const deliveries = Number(message.Attributes!.ApproximateReceiveCount);
    const nak = (delay = 0) => {
      release([handle]);
      naks.tryPush({ handle, seconds: Math.min(LONGEST, Math.ceil(delay / 1000)) });
    };
    held.add(handle);
    // SQS has no `term`. So `acked` deletes the message after `onPoison`.
    ready.push(delivery(message, { ack: () => void acks.tryPush(handle), nak, deliveries }));
  }
  function giveBack(): void {
    for (const message of ready.splice(0)) message.nak();
  }

  async function receive(): Promise<void> {
    const most = Math.min(10, maxHeld); // a call for one message costs the same
    while (!over) {
      if (held.size + asked + most > maxHeld) {
        await changed.promise;
        continue;
      }
      asked += most;
      try {
        // It is not aborted at the end: SQS may have counted and hidden the messages of an aborted call.
        const { Messages = [] } = await client.send(
          new ReceiveMessageCommand({
            QueueUrl,
            MaxNumberOfMessages: most,
            WaitTimeSeconds: wait,
            VisibilityTimeout: visibility,
            MessageAttributeNames: ["All"],
            MessageSystemAttributeNames: ["ApproximateReceiveCount", "MessageGroupId"],
          }),
        );
        Messages.forEach(hand);
        if (over) giveBack();
      } catch (error) {
        report(error);
        await within(1000, ended.promise);
      } finally {
        asked -= most;
        wake();
      }
    }
  }
  async function extend(): Promise<void> {
    const entries = [...held].map((handle) => ({ handle, seconds: visibility }));
    while (entries.length > 0) {
      const batch = entries.splice(0, 10).filter(({ handle }) => held.has(handle));
      if (batch.length === 0) continue;
      const results = await hide(batch).catch((error) => void report(error));
      // A message that was deleted or given back meanwhile can't be hidden. That is no error.
      results?.forEach((error, index) => error && held.has(batch[index]!.handle) && report(error));
    }
  }

  async function pull(controller: ReadableStreamDefaultController): Promise<void> {
    extending ??= setInterval(extend, visibility * 1000 / 3);
    receiving ??= Promise.all(Array.from({ length: receivers }, receive));
    while (true) {
      if (failure) throw failure.error;
      if (over) return controller.close();
      const next = ready.shift();
      if (next) return controller.enqueue(next);
      await changed.promise;
    }
  }
  async function close(): Promise<void> {
    signal?.removeEventListener("abort", end);
    end();
    await receiving;
    giveBack();
    await Promise.all([acks.flush(), naks.flush()]);
    clearInterval(extending);
  }

  signal?.addEventListener("abort", end);
  if (signal?.aborted) end();
  const readable = new ReadableStream<Delivery<Message>>({ pull, cancel: close }, {
    highWaterMark: 0,
  });
  return { readable, close };
}

/** Returns for each entry of a call its error, or `undefined`. */
function resultsOf(
  entries: readonly unknown[],
  failed: readonly BatchResultErrorEntry[] = [],
): (Error | undefined)[] {
  const results: (Error | undefined)[] = entries.map(() => undefined);
  for (const { Id, Code, Message, SenderFault } of failed) {
    results[Number(Id)] = Object.assign(new Error(`${Code}: ${Message}`), { SenderFault });
  }
  return results;
}

/** Waits for at most `ms` milliseconds. */
function within(ms: number, work: Promise<void>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, ms);
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}
