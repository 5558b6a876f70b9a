import { FifoQueue } from "../shared/fifo_queue.ts";
import type { Counts } from "./counts.ts";
import type { Job } from "./job.ts";

/** Of one key. */
interface KeyRoom<P> {
  /** Its items that wait, and those that come in when there is room for any. */
  taken: number;
  /** Its items that wait. */
  waiting: number;
  /** Those that have no room of their own key. */
  readonly line: FifoQueue<Job<P>>;
}

/** The bounds of a {@linkcode Room}. Those that are not given are `Infinity`. */
export interface Bounds {
  capacity: number;
  keyCapacity: number;
  capacityWeight: number;
}

/**
 * What may wait in a sink, and who waits for room, in the order in which they came: nobody overtakes,
 * but those whose own key is full hold up no other.
 */
export class Room<P> {
  /** The most items that may wait now. A collector that is at work may come back here: less then. */
  limit: number;
  private readonly counts: Counts;
  readonly #keyCapacity: number;
  readonly #capacityWeight: number;
  /** Whether there is more than `limit` to keep. */
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

  /** The first of those for whose key there is room. */
  get head(): Job<P> | undefined {
    return this.#queue.head;
  }

  /** Whether one more item, so heavy, may wait. */
  fits(weight: number): boolean {
    return this.counts.waiting < this.limit &&
      (!this.bounded || this.#weight + weight <= this.#capacityWeight);
  }

  /** Whether more waits than may. */
  get over(): boolean {
    return this.counts.waiting > this.limit || this.#weight > this.#capacityWeight;
  }

  /** Whether one more of this key may. Where somebody of it waits for that, it is full. */
  keyFits(key: unknown): boolean {
    const room = this.bounded ? this.#keys.get(key) : undefined;
    return !room || room.taken < this.#keyCapacity;
  }

  /** Whether as many of this key wait as may. */
  keyFull(key: unknown): boolean {
    return this.#keys.get(key)?.waiting! >= this.#keyCapacity;
  }

  /** Whether nothing more fits, or not the one who comes next. */
  get full(): boolean {
    if (!this.bounded) return this.counts.waiting >= this.limit;
    const { head } = this;
    return head ? !this.fits(head.weight) : !this.fits(0) || this.#weight >= this.#capacityWeight;
  }

  /** Where it is bounded: an item waits from now on, whose caller has waited for room or has not. */
  enter(key: unknown, weight: number, waited: boolean): void {
    this.#weight += weight;
    this.#take(key, waited ? 0 : 1, 1);
  }

  /** So many items that have run wait again. They are never refused. */
  enterAgain({ key, weight, count }: Job<P>): void {
    if (!this.bounded) return;
    this.#weight += weight;
    this.#take(key, count);
  }

  /** So many items wait no more. */
  leave({ key, weight, count }: Job<P>): void {
    if (!this.bounded) return;
    // Sums lose a little: where nothing waits nothing is left of that.
    this.#weight = this.counts.waiting === 0 ? 0 : this.#weight - weight;
    this.#free(key, count);
  }

  /** Waits for room. */
  wait(waiter: Job<P>): void {
    this.counts.blocked++;
    if (this.keyFits(waiter.key)) this.#queueUp(waiter);
    else this.#keys.get(waiter.key)!.line.push(waiter);
  }

  /** The first comes in, or leaves. */
  shift(): Job<P> {
    this.counts.blocked--;
    const waiter = this.#queue.shift()!;
    waiter.queued = false;
    return waiter;
  }

  /** It could not come in: it is still the first. */
  unshift(waiter: Job<P>): void {
    this.counts.blocked++;
    waiter.queued = true;
    this.#queue.unshift(waiter);
  }

  /** The first has been turned away. */
  turnAway({ key }: Job<P>): void {
    this.#free(key, 1, 0);
  }

  /** It leaves, wherever it stands. */
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

  /** All, those for whose key there is room first. */
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

  /** Those of the key move up for whom there is room of their key now. */
  #free(key: unknown, count: number, waiting = count): void {
    const room = this.#keys.get(key);
    if (!room) return;
    room.taken -= count;
    room.waiting -= waiting;
    while (room.line.head && room.taken < this.#keyCapacity) this.#queueUp(room.line.shift()!);
    if (room.taken === 0) this.#keys.delete(key);
  }
}
