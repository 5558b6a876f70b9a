/**
 * The need: some items are urgent. They must start before the normal ones that already wait, and a flood
 * of either kind must not fill the memory. p-queue has `priority` for this.
 *
 * The idea: a sink for each priority, and slots that all sinks share. Each sink has its own `capacity`, so
 * normal items can't take the room of urgent ones. A handler first takes a slot, and a slot that becomes
 * free goes to the most urgent handler that waits for one. You keep what a sink has: `submit`, signals,
 * `retry`, `key`, pipes, `stats`.
 *
 * With `most` you keep some of the slots for the others:
 *
 * - **Starvation.** If urgent items come faster than you handle them, normal ones never start. With 4
 *   slots and `most: 3` for the urgent sink, normal items always have 1 slot.
 * - **A long wait.** No running handler is stopped, so an urgent item may have to wait until a normal one
 *   is done. With `most: 3` for the normal sink, urgent items always have 1 slot.
 *
 * The limits:
 *
 * - A handler that waits for a slot counts as running in `stats`. A sink accepts `capacity` items, and twice
 *   as many as there are slots beside them.
 * - A `timeout` would also count the wait for a slot, so there is none: use `AbortSignal.timeout` in the
 *   handler. A `rate` counts an item before it has its slot.
 * - Items of one priority start in order. There is no order among priorities.
 *
 * Next: [bulkhead.ts](bulkhead.ts) is for tenants that share the workers, where none is more urgent than
 * another.
 */

// In your project: from "@weir/streams".
import { Fanout, type FanoutHandler, type FanoutOptions } from "../../mod.ts";

/** Options of a sink that shares slots. */
export interface PriorityOptions<T> extends Omit<FanoutOptions<T>, "concurrency" | "timeout"> {
  /** 0 is the most urgent. */
  readonly priority: number;
  /** The most slots that this sink may use at once. By default all. */
  readonly most?: number;
}

interface Level {
  readonly priority: number;
  readonly most: number;
  used: number;
  /** Starts the handlers that wait for a slot. */
  readonly waiting: Set<() => void>;
}

/** Slots that several sinks share: the most urgent handler gets the next one. */
export class Slots {
  readonly #count: number;
  #free: number;
  /** The most urgent first. */
  #levels: Level[] = [];

  /** At most `count` handlers run at once, in all sinks together. */
  constructor(count: number) {
    this.#count = count;
    this.#free = count;
  }

  /** Makes a sink that uses the slots. */
  sink<T, R>(
    handler: FanoutHandler<T, R>,
    { priority, most = this.#count, ...options }: PriorityOptions<T>,
  ): Fanout<T, R> {
    const level: Level = { priority, most, used: 0, waiting: new Set() };
    this.#levels = [...this.#levels, level].sort((a, b) => a.priority - b.priority);
    return new Fanout<T, R>(async (item, context) => {
      await this.#take(level, context.signal);
      try {
        return await handler(item, context);
      } finally {
        level.used--;
        this.#free++;
        this.#give();
      }
    }, {
      ...options,
      // When all slots become free at once, as many handlers must wait for them already.
      concurrency: 2 * this.#count,
    });
  }

  /** Resolves when the handler has a slot. Rejects with the reason of the signal. */
  #take({ waiting }: Level, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const start = () => {
      signal.removeEventListener("abort", leave);
      resolve();
    };
    const leave = () => {
      waiting.delete(start);
      reject(signal.reason);
    };
    waiting.add(start);
    signal.addEventListener("abort", leave, { once: true });
    this.#give();
    return promise;
  }

  #give(): void {
    while (this.#free > 0) {
      const level = this.#levels.find(({ waiting, used, most }) => waiting.size > 0 && used < most);
      if (!level) return;
      const [start] = level.waiting;
      level.waiting.delete(start!);
      level.used++;
      this.#free--;
      start!();
    }
  }
}

if (import.meta.main) {
  const slots = new Slots(2);
  const send = async (to: string) => {
    console.log(`sending to ${to}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const urgent = slots.sink(send, { priority: 0, capacity: 10 });
  const normal = slots.sink(send, { priority: 1, capacity: 2 });
  for (let n = 1; n <= 8; n++) if (!normal.tryPush(`normal ${n}`)) console.log(`no room for ${n}`);
  for (let n = 1; n <= 4; n++) urgent.tryPush(`urgent ${n}`);
  await Promise.all([urgent.close(), normal.close()]);
}
