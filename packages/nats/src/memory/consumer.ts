/** {@linkcode MemoryConsumer}: a process that takes messages from a {@linkcode MemoryBroker}. */

import type { Consuming, Exchange } from "./exchange.ts";
import type { Handed, MemoryDelivery, Verdict } from "./handed.ts";
import { Line } from "./line.ts";

/** Options of a consumer. */
export interface MemoryConsumerOptions {
  /**
   * The most messages in its buffer: an integer of at least 1. It asks for that many when the
   * buffer is empty and a reader waits. Messages that were read don't count.
   *
   * @default {16}
   */
  readonly maxMessages?: number | undefined;
  /**
   * Whether a live consumer extends all its messages, so that the broker doesn't deliver the
   * message of a slow handler to another consumer. With `false`, the ack wait counts from the
   * delivery.
   *
   * @default {true}
   */
  readonly extend?: boolean | undefined;
}

/** The state of a consumer. The last three are final. */
export type MemoryConsumerState = "open" | "paused" | "closed" | "cancelled" | "crashed";

/**
 * A consumer of a {@linkcode MemoryBroker}, as a process would have one. You control its faults.
 *
 * @typeParam T The type of the items.
 */
export interface MemoryConsumer<T> {
  /** Its name in the history: `consumer-1` is the first. */
  readonly id: string;
  /** Its deliveries. It asks for nothing before the first read. */
  readonly deliveries: ReadableStream<MemoryDelivery<T>>;
  /** Its state. */
  readonly state: MemoryConsumerState;
  /** The number of its messages that are not settled: in its buffer, or read. */
  readonly held: number;
  /**
   * Crashes it, like a killed process. `deliveries` errors, the broker delivers its messages again
   * when the ack wait is over, and **ignores everything that it says from now on**. Running
   * handlers go on, because nothing can end them.
   */
  crash(): void;
  /**
   * Pauses it, like a process that is stopped or cut off from the broker. It gets nothing and
   * extends nothing, and its acks reach the broker when it resumes. If the pause is longer than the
   * ack wait, the broker delivers its messages to other consumers.
   */
  pause(): void;
  /** Ends a pause. */
  resume(): void;
  /**
   * Ends it, like a process that exits normally: gives back its buffer, and closes `deliveries`.
   * Messages that were read are extended until they settle.
   */
  close(): void;
}

/** The consumer, as the broker sees it. */
export class Consumer<T> implements MemoryConsumer<T>, Consuming<T> {
  readonly id: string;
  readonly deliveries: ReadableStream<MemoryDelivery<T>>;
  readonly extends: boolean;
  /** Resolves when it has crashed. */
  readonly crashed: Promise<void>;
  readonly handed: Set<Handed<T>> = new Set();
  readonly #exchange: Exchange<T>;
  readonly #maxMessages: number;
  readonly #buffer = new Line<Handed<T>>();
  /** Its reports during a pause. */
  readonly #unsaid: Array<() => void> = [];
  #controller!: ReadableStreamDefaultController<MemoryDelivery<T>>;
  #tellCrashed!: () => void;
  #end: "none" | "closed" | "cancelled" | "crashed" = "none";
  #paused = false;
  /** Whether a reader waits. */
  #wanted = false;

  constructor(exchange: Exchange<T>, id: string, maxMessages: number, extend: boolean) {
    this.#exchange = exchange;
    this.id = id;
    this.#maxMessages = maxMessages;
    this.extends = extend;
    this.crashed = new Promise((resolve) => this.#tellCrashed = resolve);
    this.deliveries = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      pull: () => this.#pull(),
      cancel: () => this.#leave("cancelled"),
    }, { highWaterMark: 0 });
    if (exchange.ended) this.end();
    else exchange.consumers.add(this);
  }

  get state(): MemoryConsumerState {
    if (this.#end !== "none") return this.#end;
    return this.#paused ? "paused" : "open";
  }

  get held(): number {
    return this.handed.size;
  }

  crash(): void {
    if (this.#end === "crashed") return;
    const open = this.#end === "none";
    this.#end = "crashed";
    this.#exchange.note("crashed", { consumer: this.id });
    this.#unsaid.length = 0;
    this.#release();
    this.handed.clear();
    this.#forget();
    if (open) this.#controller.error(new Error(`${this.id} has crashed`));
    this.#tellCrashed();
  }

  pause(): void {
    if (this.#paused || this.#end === "crashed") return;
    this.#paused = true;
    this.#exchange.note("paused", { consumer: this.id });
    this.#exchange.unwant(this);
    this.#release();
  }

  resume(): void {
    if (!this.#paused || this.#end === "crashed") return;
    this.#paused = false;
    this.#exchange.note("resumed", { consumer: this.id });
    if (this.#end !== "cancelled") {
      for (const handed of this.handed) {
        this.#exchange.extend(handed);
      }
    }
    // A crash meanwhile empties it.
    for (let say = this.#unsaid.shift(); say; say = this.#unsaid.shift()) say();
    if (this.#wanted) this.#pull();
  }

  close(): void {
    if (this.#end !== "none") return;
    this.#end = "closed";
    this.#controller.close();
    this.#giveBack();
  }

  /** Ends it after its program has ended: its messages are no longer extended. */
  leave(): void {
    if (this.#end !== "none" && this.#end !== "closed") return;
    if (this.#end === "none") this.#controller.close();
    this.#leave("closed");
  }

  receive(handed: Handed<T>): void {
    this.handed.add(handed);
    this.#buffer.push(handed);
  }

  give(): void {
    const handed = this.#buffer.shift()!;
    this.#wanted = false;
    this.#exchange.taken(handed);
    this.#controller.enqueue(handed);
    this.#exchange.strike(this);
  }

  say(handed: Handed<T>, verdict: Verdict): void {
    if (!this.handed.delete(handed)) return;
    const say = () => this.#exchange.hear(handed, verdict);
    if (this.#paused) this.#unsaid.push(say);
    else say();
  }

  end(): void {
    this.close();
  }

  #pull(): void {
    this.#wanted = true;
    if (this.#paused || this.#end !== "none") return;
    if (this.#buffer.length > 0) this.give();
    else this.#exchange.fill(this, this.#maxMessages);
  }

  #leave(end: "closed" | "cancelled"): void {
    this.#end = end;
    this.#giveBack();
    if (this.handed.size === 0) return;
    this.#exchange.note("left", { consumer: this.id });
    this.#release();
  }

  #giveBack(): void {
    this.#forget();
    for (let next = this.#buffer.shift(); next; next = this.#buffer.shift()) next.nak();
  }

  #forget(): void {
    this.#exchange.unwant(this);
    this.#exchange.consumers.delete(this);
  }

  #release(): void {
    for (const handed of this.handed) this.#exchange.release(handed);
  }
}
