/**
 * The need: some items are urgent. They must start before the normal ones that already wait. p-queue has
 * `priority` for this.
 *
 * The idea: one `Fanout` whose items are tickets, and a list of waiting items for each priority. You push an
 * item: it goes to its list, and a ticket goes to the sink. When a ticket starts, it takes the most urgent
 * item that waits. So `concurrency`, `rate`, `capacity`, `timeout` and a pause hold for all priorities
 * together, because they are those of the one sink. A ticket keeps its item: a retry runs the same one.
 *
 * The limits:
 *
 * - **Starvation.** If urgent items come faster than you handle them, normal ones never start.
 * - **A long wait.** No running handler is stopped. An urgent item waits until a slot is free.
 * - **One bound.** `capacity` counts all waiting items. When normal items have filled it, an urgent one is
 *   refused too. Refuse normal items earlier: `if (jobs.waiting(1) < 900) jobs.tryPush(job, 1)`.
 * - Calls of `push` and `submit` that wait for room come in by their order, without priority.
 * - An item that is due for its retry starts before all that wait.
 * - `key`, `maxWait`, `weigh` and `snapshot` don't fit, because a ticket may take another item than the one
 *   that it came with.
 * - It is no stream: you can't pipe to it. Push in a loop instead.
 * - A caller of `submit` can't leave. At an abort, the `submit` of a running item settles with its handler.
 *
 * Next: [bulkhead.ts](bulkhead.ts) is for tenants that share the workers, where none is more urgent than
 * another.
 */

// In your project: from "@weir/streams".
import {
  Fanout,
  type FanoutHandler,
  type FanoutOptions,
  type SinkCallOptions,
  type SinkStats,
} from "../../mod.ts";

/** Options of `PriorityFanout`. */
export interface PriorityOptions<T> extends
  Omit<
    FanoutOptions<T>,
    "key" | "keyCapacity" | "maxWait" | "weigh" | "capacityWeight" | "snapshot"
  > {
  /** How many priorities there are. By default 2: 0 is urgent, 1 is normal. */
  readonly priorities?: number;
}

/** An item that waits or runs, and the `submit` that waits for its result. */
interface Entry<T, R> {
  readonly item: T;
  readonly resolve?: (value: R) => void;
  readonly reject?: (error: unknown) => void;
}

/** The right to handle one item. */
interface Ticket<T, R> {
  /** Puts the item that the ticket came with into its list. */
  enter: (() => void) | undefined;
  /** What the ticket has taken. It keeps it for all attempts. */
  entry?: Entry<T, R>;
  /** The latest attempt that has failed. */
  failed: number;
}

/** A `Fanout` that starts the most urgent of the waiting items. Items of one priority start in order. */
export class PriorityFanout<T, R = unknown> {
  /** The waiting items of each priority. */
  readonly #lanes: Entry<T, R>[][];
  readonly #sink: Fanout<Ticket<T, R>>;

  /** Runs the handler on each item. The hooks of the options get items, as those of a `Fanout` do. */
  constructor(handler: FanoutHandler<T, R>, options: PriorityOptions<T> = {}) {
    const { priorities = 2, retry, onError, onDiscard, ...rest } = options;
    this.#lanes = Array.from({ length: priorities }, () => []);
    this.#sink = new Fanout<Ticket<T, R>>(async (ticket, context) => {
      const { item, resolve } = this.#take(ticket);
      const { attempt } = context;
      const value = await handler(item, context);
      // The result of an attempt that has timed out is too late.
      if (attempt > ticket.failed) resolve?.(value);
    }, {
      ...rest,
      retry: retry && ((error, attempt, ticket) => {
        ticket.failed = attempt;
        return retry(error, attempt, this.#take(ticket).item);
      }),
      onError: (error, ticket) => {
        const { item, reject } = this.#take(ticket);
        if (reject) return reject(error);
        if (!onError) throw error; // It ends the sink.
        return onError(error, item);
      },
      onDiscard: (tickets, reason) => {
        const entries = tickets.map((ticket) => this.#take(ticket));
        for (const { reject } of entries) reject?.(reason);
        return onDiscard?.(entries.map(({ item }) => item), reason);
      },
    });
  }

  /** Gives the sink an item, now or never. Returns whether there was room. */
  tryPush(item: T, priority: number): boolean {
    const ticket = this.#ticket({ item }, priority);
    const accepted = this.#sink.tryPush(ticket);
    if (accepted) ticket.enter?.();
    return accepted;
  }

  /** Waits for room, and resolves when the item is accepted. The `signal` ends the wait for room. */
  push(item: T, priority: number, options?: SinkCallOptions): Promise<void> {
    return this.#push({ item }, priority, options);
  }

  /** Waits for room, and then for the result of this item. */
  submit(item: T, priority: number): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#push({ item, resolve, reject }, priority).catch(reject);
    });
  }

  /** How many items of a priority wait for their first attempt. */
  waiting(priority: number): number {
    return this.#lane(priority).length;
  }

  /** The counts of all priorities together, as those of a `Fanout`. */
  get stats(): SinkStats {
    return this.#sink.stats;
  }

  /** The most handlers that run at once, of all priorities. 0 pauses. */
  get concurrency(): number {
    return this.#sink.concurrency;
  }

  set concurrency(value: number) {
    this.#sink.concurrency = value;
  }

  /** As `closed` of a `Fanout`. */
  get closed(): Promise<void> {
    return this.#sink.closed;
  }

  /** Waits until no item waits or runs. */
  idle(): Promise<void> {
    return this.#sink.idle();
  }

  /** Drains: accepts nothing more, and waits for the accepted items. */
  close(options?: { readonly timeout?: number; readonly signal?: AbortSignal }): Promise<void> {
    return this.#sink.close(options);
  }

  /** Stops at once. The items that wait go to `onDiscard`, the most urgent first. */
  abort(reason?: unknown): Promise<void> {
    return this.#sink.abort(reason);
  }

  async #push(entry: Entry<T, R>, priority: number, options?: SinkCallOptions): Promise<void> {
    const ticket = this.#ticket(entry, priority);
    const { accepted } = this.#sink.stats;
    const pushed = this.#sink.push(ticket, options);
    // If there was room, the item is in its list before the caller pushes another.
    if (this.#sink.stats.accepted > accepted) ticket.enter?.();
    await pushed;
    ticket.enter?.();
  }

  #ticket(entry: Entry<T, R>, priority: number): Ticket<T, R> {
    const lane = this.#lane(priority);
    const ticket: Ticket<T, R> = {
      failed: 0,
      enter: () => {
        ticket.enter = undefined;
        lane.push(entry);
      },
    };
    return ticket;
  }

  /** What a ticket has taken; at first, the most urgent item. There is one for each accepted ticket. */
  #take(ticket: Ticket<T, R>): Entry<T, R> {
    ticket.enter?.(); // It may start before its `push` goes on.
    return ticket.entry ??= this.#lanes.find((lane) => lane.length > 0)!.shift()!;
  }

  #lane(priority: number): Entry<T, R>[] {
    const lane = this.#lanes[priority];
    if (lane) return lane;
    throw new RangeError(`priority must be from 0 to ${this.#lanes.length - 1}; got ${priority}`);
  }
}

if (import.meta.main) {
  const jobs = new PriorityFanout(async (to: string) => {
    console.log(`sending to ${to}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    return `sent to ${to}`;
  }, { concurrency: 2, capacity: 10 });
  for (let n = 1; n <= 6; n++) jobs.tryPush(`normal ${n}`, 1);
  for (let n = 1; n <= 3; n++) jobs.tryPush(`urgent ${n}`, 0);
  console.log(await jobs.submit("urgent 4", 0));
  await jobs.close();
}
