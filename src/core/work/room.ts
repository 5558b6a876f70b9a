import { FifoQueue } from "../shared/fifo_queue.ts";
import type { Counts } from "./counts.ts";
import type { Job } from "./job.ts";

/** The room of one key. */
interface KeyRoom<P> {
  /** How many items of the key wait or may come in as soon as there is room for any item. */
  taken: number;
  /** How many items of the key wait. */
  waiting: number;
  /** The items that wait for room of their key. */
  readonly line: FifoQueue<Job<P>>;
}

/** The bounds of a {@linkcode Room}. A missing one is `Infinity`. */
export interface Bounds {
  capacity: number;
  keyCapacity: number;
  capacityWeight: number;
}

/**
 * Knows how many items may wait in a sink, and which items wait for room, in the order in which
 * they came. No item overtakes another, except that an item whose key is full holds up no item of
 * another key.
 */
export class Room<P> {
  /**
   * The most items that may wait now. It is lower while a collector runs, because that may call the
   * sink.
   */
  limit: number;
  private readonly counts: Counts;
  readonly #keyCapacity: number;
  readonly #capacityWeight: number;
  /** Whether there are other bounds than `limit`. */
  readonly bounded: boolean;
  #weight = 0;
  readonly #queue = new FifoQueue<Job<P>>();
  readonly #keys = new Map<unknown, KeyRoom<P>>();

  constructor(counts: Counts, { capacity, keyCapacity, capacityWeight }: Bounds) {
    this.counts = counts;
    this.limit = capacity;
    this.#keyCapacity = keyCapacity;
    this.#capacityWeight = capacityWeight;
    this.bounded = keyCapacity < Infinity || capacityWeight < Infinity;
  }

  /** The first item that waits for room and whose key has room. */
  get head(): Job<P> | undefined {
    return this.#queue.head;
  }

  /** Whether one more item of this key and weight may wait without overtaking another. */
  admits(key: unknown, weight: number): boolean {
    return this.counts.waiting < this.limit && this.#queue.head === undefined &&
      (!this.bounded || (this.keyFits(key) && this.fits(weight)));
  }

  /** Whether one more item of this weight may wait. */
  fits(weight: number): boolean {
    return this.counts.waiting < this.limit &&
      (!this.bounded || this.#weight + weight <= this.#capacityWeight);
  }

  /** Whether more items wait than the bounds allow. */
  get over(): boolean {
    return this.counts.waiting > this.limit || this.#weight > this.#capacityWeight;
  }

  /**
   * Whether one more item of this key may wait. If an item waits for room of the key, the key is
   * full.
   */
  keyFits(key: unknown): boolean {
    const room = this.bounded ? this.#keys.get(key) : undefined;
    return !room || room.taken < this.#keyCapacity;
  }

  /** Whether as many items of this key wait as may. */
  keyFull(key: unknown): boolean {
    return this.#keys.get(key)?.waiting! >= this.#keyCapacity;
  }

  /** Whether no more items fit, or at least not the next one. */
  get full(): boolean {
    if (!this.bounded) return this.counts.waiting >= this.limit;
    const { head } = this;
    return head ? !this.fits(head.weight) : !this.fits(0) || this.#weight >= this.#capacityWeight;
  }

  /**
   * An item waits from now on. `waited` says whether it has waited for room before. Only call it if
   * the room is `bounded`.
   */
  enter(key: unknown, weight: number, waited: boolean): void {
    this.#weight += weight;
    this.#take(key, waited ? 0 : 1, 1);
  }

  /** The items of a job that has run wait again. They are never refused. */
  enterAgain({ key, weight, count }: Job<P>): void {
    if (!this.bounded) return;
    this.#weight += weight;
    this.#take(key, count);
  }

  /** The items of a job no longer wait. */
  leave({ key, weight, count }: Job<P>): void {
    if (!this.bounded) return;
    // Sums lose a little precision: when no item waits, the weight is exactly 0.
    this.#weight = this.counts.waiting === 0 ? 0 : this.#weight - weight;
    this.#free(key, count);
  }

  /** Makes an item wait for room. */
  wait(waiter: Job<P>): void {
    this.counts.blocked++;
    if (this.keyFits(waiter.key)) this.#queueUp(waiter);
    else this.#keys.get(waiter.key)!.line.push(waiter);
  }

  /** Removes the first item, because it comes in or leaves. */
  shift(): Job<P> {
    this.counts.blocked--;
    const waiter = this.#queue.shift()!;
    waiter.queued = false;
    return waiter;
  }

  /** Puts the first item back, because it could not come in. */
  unshift(waiter: Job<P>): void {
    this.counts.blocked++;
    waiter.queued = true;
    this.#queue.unshift(waiter);
  }

  /** The first item was refused. */
  turnAway({ key }: Job<P>): void {
    this.#free(key, 1, 0);
  }

  /** Removes an item that leaves, from any place. */
  remove(waiter: Job<P>): void {
    this.counts.blocked--;
    if (waiter.queued) {
      this.#queue.remove(waiter);
      this.turnAway(waiter);
    } else this.#keys.get(waiter.key)!.line.remove(waiter);
  }

  removeAll(): Job<P>[] {
    this.counts.blocked = 0;
    const lines = [...this.#keys.values()].flatMap(({ line }) => line.removeAll());
    this.#keys.clear();
    return [...this.#queue.removeAll(), ...lines];
  }

  /** All items that wait for room. Those whose key has room come first. */
  *[Symbol.iterator](): Iterator<Job<P>> {
    const queues = [this.#queue, ...[...this.#keys.values()].map(({ line }) => line)];
    for (const { head } of queues) {
      for (let waiter = head; waiter; waiter = waiter.next as Job<P> | undefined) yield waiter;
    }
  }

  #queueUp(waiter: Job<P>): void {
    waiter.queued = true;
    this.#queue.push(waiter);
    this.#take(waiter.key, 1, 0);
  }

  #take(key: unknown, count: number, waiting = count): void {
    if (this.#keyCapacity === Infinity) return;
    let room = this.#keys.get(key);
    if (!room) this.#keys.set(key, room = { taken: 0, waiting: 0, line: new FifoQueue() });
    room.taken += count;
    room.waiting += waiting;
  }

  /** Moves up the items of the key for which there is now room of the key. */
  #free(key: unknown, count: number, waiting = count): void {
    const room = this.#keys.get(key);
    if (!room) return;
    room.taken -= count;
    room.waiting -= waiting;
    while (room.line.head && room.taken < this.#keyCapacity) this.#queueUp(room.line.shift()!);
    if (room.taken === 0) this.#keys.delete(key);
  }
}
