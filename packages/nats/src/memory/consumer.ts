/** {@linkcode MemoryConsumer}: a process that takes messages from a {@linkcode MemoryBroker}. */

import type { Consuming, Exchange } from "./exchange.ts";
import type { Handed, MemoryDelivery, Verdict } from "./handed.ts";
import { Line } from "./line.ts";

/** Options of a consumer. */
export interface MemoryConsumerOptions {
  /**
   * How many messages its buffer may have, at most: an integer of at least 1. It asks for so many when the
   * buffer is empty and somebody reads. Those that are handed out do not count.
   *
   * @default {16}
   */
  readonly maxMessages?: number | undefined;
  /**
   * Whether it extends all that it has, as long as it lives, so that a slow handler does not have its message
   * handed out to another. With `false` the ack wait counts from the delivery.
   *
   * @default {true}
   */
  readonly extend?: boolean | undefined;
}

/** What a consumer does: the last three are for good. */
export type MemoryConsumerState = "open" | "paused" | "closed" | "cancelled" | "crashed";

/**
 * A consumer of a {@linkcode MemoryBroker}, as a process would have one. Its faults are in your hand.
 *
 * @typeParam T The type of the items.
 */
export interface MemoryConsumer<T> {
  /** Its name in the history: `consumer-1` is the first. */
  readonly id: string;
  /** What it is given. Nothing is asked for before the first read. */
  readonly deliveries: ReadableStream<MemoryDelivery<T>>;
  /** What it does. */
  readonly state: MemoryConsumerState;
  /** How many messages it has that it has said nothing of: in its buffer, or handed out. */
  readonly held: number;
  /**
   * As a process that is killed: `deliveries` errors, what it held is handed out again when the ack wait is
   * over, and **what it says from now on reaches nobody**. Handlers that run go on, for nothing can end
   * them.
   */
  crash(): void;
  /**
   * As a process that is stopped, or cut off from the broker: it is given nothing, extends nothing, and what
   * it says reaches the broker when it resumes. Beyond the ack wait, its messages are handed out to
   * others meanwhile.
   */
  pause(): void;
  /** The end of a pause. */
  resume(): void;
  /**
   * As a process that ends well: gives back what is in its buffer, and closes `deliveries`. What was handed
   * out is extended until it settles.
   */
  close(): void;
}

/** The consumer, as the broker has it. */
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
  /** What it has said while it was paused. */
  readonly #unsaid: Array<() => void> = [];
  #controller!: ReadableStreamDefaultController<MemoryDelivery<T>>;
  #tellCrashed!: () => void;
  #end: "none" | "closed" | "cancelled" | "crashed" = "none";
  #paused = false;
  /** Whether somebody reads. */
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
    // A crash in between empties it.
    for (let say = this.#unsaid.shift(); say; say = this.#unsaid.shift()) say();
    if (this.#wanted) this.#pull();
  }

  close(): void {
    if (this.#end !== "none") return;
    this.#end = "closed";
    this.#controller.close();
    this.#giveBack();
  }

  /** It ends, as a process whose work has come back: nobody extends what it has taken. */
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
