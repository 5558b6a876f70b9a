/**
 * The ideal: the same jobs with the same bounds, written by hand. No keys, no timeouts, no streams,
 * one kind of failure. It shows the cost of the promises of our library, and varies less between
 * runs than other libraries.
 */

/** Runs at most `concurrency` calls at once. A ring of `capacity` items waits for them. */
export class IdealFanout<T> {
  accepted = 0;
  waiting = 0;
  running = 0;
  done = 0;
  failed = 0;

  private readonly handler: (item: T) => Promise<void>;
  private readonly concurrency: number;
  private readonly capacity: number;
  private readonly ring: (T | undefined)[];
  /** The index of the oldest item in the ring. */
  private head = 0;
  private whenRoom: (() => void) | undefined;
  private whenIdle: (() => void) | undefined;
  /** Shared by all items: a closure for each item would be an allocation. */
  private readonly succeed = () => {
    this.done++;
    this.next();
  };
  private readonly fail = () => {
    this.failed++;
    this.next();
  };

  constructor(handler: (item: T) => Promise<void>, concurrency: number, capacity: number) {
    this.handler = handler;
    this.concurrency = concurrency;
    this.capacity = capacity;
    this.ring = new Array(capacity).fill(undefined);
  }

  /** Takes an item, or returns false when it is full. */
  tryPush(item: T): boolean {
    if (this.running < this.concurrency) {
      this.accepted++;
      this.running++;
      this.start(item);
      return true;
    }
    if (this.waiting === this.capacity) return false;
    const tail = this.head + this.waiting;
    this.ring[tail < this.capacity ? tail : tail - this.capacity] = item;
    this.accepted++;
    this.waiting++;
    return true;
  }

  /** Takes all items of a stream, and waits only when there is no room. */
  async consume(source: ReadableStream<T>): Promise<void> {
    const reader = source.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return await this.idle();
      while (!this.tryPush(value)) await new Promise<void>((resolve) => this.whenRoom = resolve);
    }
  }

  /** Resolves when no item waits or runs. */
  idle(): Promise<void> {
    if (this.running === 0) return Promise.resolve();
    return new Promise((resolve) => this.whenIdle = resolve);
  }

  private start(item: T): void {
    this.handler(item).then(this.succeed, this.fail);
  }

  /** Called when a call has settled: the oldest item gets its slot. */
  private next(): void {
    if (this.waiting === 0) {
      if (--this.running === 0) this.whenIdle?.();
      return;
    }
    const { head } = this;
    const item = this.ring[head] as T;
    // Clears the place, so that the item can be collected.
    this.ring[head] = undefined;
    this.head = head + 1 === this.capacity ? 0 : head + 1;
    this.waiting--;
    this.start(item);
    if (this.whenRoom) this.tellRoom(this.whenRoom);
  }

  private tellRoom(whenRoom: () => void): void {
    this.whenRoom = undefined;
    whenRoom();
  }
}

/** Makes arrays of `maxItems` for a synchronous handler. */
export class IdealAggregator<T> {
  accepted = 0;
  waiting = 0;
  done = 0;
  batches = 0;

  private readonly handler: (batch: T[]) => void;
  private readonly maxItems: number;
  private readonly capacity: number;
  private batch: T[] = [];

  constructor(handler: (batch: T[]) => void, maxItems: number, capacity: number) {
    this.handler = handler;
    this.maxItems = maxItems;
    this.capacity = capacity;
  }

  /** Takes an item, or returns false when it is full. */
  tryPush(item: T): boolean {
    if (this.waiting === this.capacity) return false;
    this.accepted++;
    this.waiting++;
    if (this.batch.push(item) === this.maxItems) this.flush();
    return true;
  }

  /** Hands the open batch over. */
  flush(): void {
    const { batch } = this;
    if (batch.length === 0) return;
    this.batch = [];
    this.batches++;
    this.waiting -= batch.length;
    this.handler(batch);
    this.done += batch.length;
  }
}

/**
 * Batches of an array: a loop that pushes, and awaits each batch. It uses an index, because V8
 * makes a `for of` with an `await` twice as slow.
 */
export async function idealBatches<T>(
  items: readonly T[],
  maxItems: number,
  take: (batch: T[]) => Promise<void> | void,
): Promise<void> {
  let batch: T[] = [];
  for (let i = 0; i < items.length; i++) {
    if (batch.push(items[i]!) < maxItems) continue;
    await take(batch);
    batch = [];
  }
  if (batch.length > 0) await take(batch);
}

/** Pages of rows: maps `concurrency` of them at once, and hands them over in batches. */
export async function idealChain<T, R>(
  pages: AsyncIterable<readonly T[]>,
  map: (rows: readonly T[]) => R[] | Promise<R[]>,
  atOnce: number,
  maxItems: number,
  take: (batch: R[]) => Promise<void> | void,
): Promise<void> {
  let batch: R[] = [];
  for await (const page of pages) {
    for (let from = 0; from < page.length; from += atOnce) {
      const mapped = map(page.slice(from, from + atOnce));
      const results = mapped instanceof Promise ? await mapped : mapped;
      for (let i = 0; i < results.length; i++) {
        if (batch.push(results[i]!) < maxItems) continue;
        await take(batch);
        batch = [];
      }
    }
  }
  if (batch.length > 0) await take(batch);
}
