import { FifoQueue, type Linked } from "../shared/fifo_queue.ts";

/** A job as this queue sees it. */
export interface Keyed extends Linked {
  readonly key: unknown;
  /**
   * The place in the order of acceptance, and the jobs of its key behind it. The queue sets the second,
   * and the first where there is none. What is not there costs nothing in a queue without keys.
   */
  order?: number;
  behind?: FifoQueue<Keyed>;
  /** How often it has run before, if it has; and when it goes again, in milliseconds, if it does. */
  retries?: number;
  delay?: number | undefined;
}

/**
 * One job of a key is ready or running, the others stand behind it in order. Among the ready ones the
 * oldest goes first, so a key gains nothing by having been blocked.
 */
export class KeyedQueue<J extends Keyed> {
  /** Of the keys with a job that is ready or running: the jobs behind it. */
  readonly #keys = new Map<unknown, FifoQueue<Keyed>>();
  /** Ready since they came, in order. */
  readonly #fresh = new FifoQueue<J>();
  /** The other ready ones, which came late or had a job before them: a heap, the oldest first. */
  readonly #freed: J[] = [];
  #accepted = 0;
  /** The last of the fresh ones. */
  #newest = 0;

  /** Whether a job of this key need not wait for another of it. */
  free(key: unknown): boolean {
    return !this.#keys.has(key);
  }

  push(job: J): void {
    const order = job.order ??= this.#accepted++;
    const behind = this.#keys.get(job.key);
    if (behind) {
      job.behind = behind;
      behind.push(job);
    } else {
      this.#keys.set(job.key, job.behind = new FifoQueue());
      if (order < this.#newest) return insert(this.#freed, job);
      this.#newest = order;
      this.#fresh.push(job);
    }
  }

  /** The oldest job that may start now. */
  get head(): J | undefined {
    const fresh = this.#fresh.head;
    const freed = this.#freed[0];
    return freed === undefined || (fresh !== undefined && fresh.order! < freed.order!)
      ? fresh
      : freed;
  }

  /** Takes it. */
  shift(): J | undefined {
    const { head } = this;
    if (head === this.#fresh.head) return this.#fresh.shift();
    removeFirst(this.#freed);
    return head;
  }

  /** A job has settled: the next one of its key may start. */
  release(job: J): void {
    const next = job.behind!.shift();
    if (next) insert(this.#freed, next as J);
    else this.#keys.delete(job.key);
  }

  /** Takes all that waits, in the order of acceptance. */
  removeAll(): J[] {
    const behind = [...this.#keys.values()].flatMap((jobs) => jobs.removeAll() as J[]);
    const jobs = [...this.#freed, ...this.#fresh.removeAll(), ...behind];
    this.#freed.length = 0;
    this.#keys.clear();
    return jobs.sort((a, b) => a.order! - b.order!);
  }
}

/** Adds a job to the heap. */
function insert<J extends Keyed>(heap: J[], job: J): void {
  let place = heap.length;
  while (place > 0) {
    const parent = (place - 1) >> 1;
    if (heap[parent]!.order! < job.order!) break;
    heap[place] = heap[parent]!;
    place = parent;
  }
  heap[place] = job;
}

/** Removes the first of the heap: the last moves down from there. */
function removeFirst<J extends Keyed>(heap: J[]): void {
  const job = heap.pop()!;
  const { length } = heap;
  let place = 0;
  for (let child; (child = 2 * place + 1) < length; place = child) {
    if (child + 1 < length && heap[child + 1]!.order! < heap[child]!.order!) child++;
    if (job.order! < heap[child]!.order!) break;
    heap[place] = heap[child]!;
  }
  if (length > 0) heap[place] = job;
}
