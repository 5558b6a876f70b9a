/**
 * SQS below its own client: a broker in memory answers the requests of a real `SQSClient`. The
 * client's requests and checks, such as the checksums of messages, are real.
 */

import { type BatchResultErrorEntry, SQSClient } from "@aws-sdk/client-sqs";
import { createHash } from "node:crypto";
import type { Delivery } from "../../packages/nats/delivery.ts";
import { macrotask } from "../support/gate.ts";

export const URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders";

/** The input of a call. */
export interface Call {
  readonly name: string;
  readonly body: Record<string, unknown>;
  /** The input of a call for several messages. */
  readonly entries: readonly Entry[];
}

interface Entry {
  readonly Id: string;
  readonly ReceiptHandle: string;
  readonly VisibilityTimeout?: number;
}

/** The queue, as one process sees it. */
export class SqsQueue {
  readonly client: SQSClient;
  readonly calls: Call[] = [];
  /** Awaited at each call, which fails if this throws. */
  onCall: (call: Call) => unknown = () => {};
  /** The error of an entry of a call. */
  onEntry: (call: Call, value: string) => Partial<BatchResultErrorEntry> | undefined = () =>
    undefined;
  /** After a crash nothing is answered. */
  alive = true;
  readonly #reader: ReadableStreamDefaultReader<Delivery<string>>;
  readonly #sent = new Map<string, Delivery<string>>();
  /** Until when they are hidden: three times as long as requested, for a busy machine. */
  readonly #until = new Map<string, number>();
  #reading: ReturnType<ReadableStreamDefaultReader<Delivery<string>>["read"]> | undefined;
  /** Receive calls run one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;
  #visibility = 0;
  #handles = 0;

  /** Answers with the deliveries of a broker's consumer. */
  constructor(deliveries: ReadableStream<Delivery<string>>) {
    this.#reader = deliveries.getReader();
    this.client = new SQSClient({
      region: "eu-central-1",
      credentials: { accessKeyId: "key", secretAccessKey: "secret" },
      maxAttempts: 1,
      requestHandler: {
        handle: async (
          { headers, body }: { headers: Record<string, string>; body: Uint8Array },
        ) => {
          const name = headers["x-amz-target"]!.replace("AmazonSQS.", "");
          const asked = JSON.parse(new TextDecoder().decode(body));
          const call = { name, body: asked, entries: asked.Entries ?? [] };
          this.calls.push(call);
          await this.onCall(call);
          const answer = await this.#answer(call);
          if (!this.alive) await new Promise(() => {});
          return {
            response: {
              statusCode: 200,
              headers: { "content-type": "application/x-amz-json-1.0" },
              body: new TextEncoder().encode(JSON.stringify(answer)),
            },
          };
        },
      },
    });
  }

  /** The handles that were received and not settled. */
  get handles(): string[] {
    return [...this.#sent.keys()];
  }

  /** Long polls find nothing any more. */
  close(): void {
    this.#closed = true;
    this.#reading?.then(({ value }) => value?.nak(), () => {});
  }

  #answer(call: Call): Promise<object> | object {
    if (call.name !== "ReceiveMessage") return this.#settle(call);
    this.#visibility = Number(call.body["VisibilityTimeout"]);
    const received = this.#turn.then(() => this.#receive(Number(call.body["MaxNumberOfMessages"])));
    this.#turn = received;
    return received;
  }

  async #receive(most: number): Promise<object> {
    for (const [handle, until] of this.#until) {
      if (until < performance.now()) this.#take(handle)?.nak();
    }
    const Messages: object[] = [];
    // A long poll of some turns of the event loop.
    for (
      let turns = 0;
      turns < 5 && Messages.length < most && !this.#closed && this.alive;
      turns++
    ) {
      const next = await this.#read();
      if (!next) continue;
      turns = 3; // ready messages are returned
      const handle = `handle ${++this.#handles}`;
      this.#sent.set(handle, next);
      this.#hide(handle);
      Messages.push({
        MessageId: next.value,
        ReceiptHandle: handle,
        Body: next.value,
        MD5OfBody: createHash("md5").update(next.value).digest("hex"),
        Attributes: { ApproximateReceiveCount: `${next.deliveries}` },
      });
    }
    return Messages.length > 0 ? { Messages } : {};
  }

  /** Returns the next message, if there is one within a turn. */
  async #read(): Promise<Delivery<string> | undefined> {
    const reading = this.#reading ??= this.#reader.read();
    const next = await Promise.race([
      reading.catch(() => undefined),
      macrotask().then(() => undefined),
    ]);
    if (next) this.#reading = undefined;
    if (next?.done) this.#closed = true;
    return next?.value;
  }

  #settle(call: Call): object {
    const Failed: object[] = [];
    for (const { Id, ReceiptHandle, VisibilityTimeout } of call.entries) {
      const delivery = this.#sent.get(ReceiptHandle);
      const failed = delivery
        ? this.onEntry(call, delivery.value)
        : { Code: "ReceiptHandleIsInvalid", Message: "not in flight", SenderFault: true };
      if (failed) Failed.push({ Id, ...failed });
      if (failed) continue;
      if (VisibilityTimeout === this.#visibility) this.#hide(ReceiptHandle);
      else if (call.name === "DeleteMessageBatch") this.#take(ReceiptHandle)!.ack();
      else this.#take(ReceiptHandle)!.nak(VisibilityTimeout! * 1000);
    }
    return { Successful: [], Failed };
  }

  #hide(handle: string): void {
    this.#until.set(handle, performance.now() + this.#visibility * 3000);
  }

  /** Takes a message, if it is still in flight. */
  #take(handle: string): Delivery<string> | undefined {
    const delivery = this.#sent.get(handle);
    this.#sent.delete(handle);
    this.#until.delete(handle);
    return delivery;
  }
}
