import { Fifo, type Linked } from "./fifo.ts";

/** A job as its queue sees it. */
export interface Keyed extends Linked {
  readonly key: unknown;
  /** Both belong to the queue: the place in the order of acceptance, and the lane of the key. */
  order: number;
  lane: Lane | undefined;
}

/** The jobs of one key that stand behind the one that is ready or running. */
export type Lane = Fifo<Keyed>;

/** What a pool asks of the jobs that wait for it. */
export interface JobQueue<J> {
  /** Whether a job of this key need not wait for another of it. */
  free(key: unknown): boolean;
  push(job: J): void;
  /** The oldest job that may start now. */
  shift(): J | undefined;
  /** A job has settled: the next one of its key may start. */
  settled(job: J): void;
  /** Takes all that waits, in the order of acceptance. */
  drain(): J[];
}

/** First come, first served. */
export class Line<J extends Linked> extends Fifo<J> implements JobQueue<J> {
  free(): boolean {
    return true;
  }

  settled(): void {}
}

/**
 * A lane for each key: one job of a key is ready or running, the others stand behind it in order.
 * Among the ready ones the oldest goes first, so a key gains nothing by having been blocked.
 */
export class Lanes<J extends Keyed> implements JobQueue<J> {
  /** Of the keys with a job that is ready or running. */
  readonly #lanes = new Map<unknown, Lane>();
  /** Ready since they came, in order. */
  readonly #fresh = new Fifo<J>();
  /** Ready since the job before them settled: a heap, the oldest first. */
  readonly #freed: J[] = [];
  #accepted = 0;

  free(key: unknown): boolean {
    return !this.#lanes.has(key);
  }

  push(job: J): void {
    job.order = this.#accepted++;
    const lane = this.#lanes.get(job.key);
    if (lane) {
      job.lane = lane;
      lane.push(job);
    } else {
      this.#lanes.set(job.key, job.lane = new Fifo());
      this.#fresh.push(job);
    }
  }

  shift(): J | undefined {
    const fresh = this.#fresh.head;
    const freed = this.#freed[0];
    if (freed === undefined || (fresh !== undefined && fresh.order < freed.order)) {
      return this.#fresh.shift();
    }
    removeFirst(this.#freed);
    return freed;
  }

  settled(job: J): void {
    const next = job.lane!.shift();
    if (next) insert(this.#freed, next as J);
    else this.#lanes.delete(job.key);
  }

  drain(): J[] {
    const jobs = [...this.#freed, ...this.#fresh.drain()];
    for (const lane of this.#lanes.values()) for (const job of lane.drain()) jobs.push(job as J);
    this.#freed.length = 0;
    this.#lanes.clear();
    return jobs.sort((a, b) => a.order - b.order);
  }
}

/** Adds a job to the heap. */
function insert<J extends Keyed>(heap: J[], job: J): void {
  let place = heap.push(job) - 1;
  while (place > 0) {
    const parent = (place - 1) >> 1;
    if (heap[parent]!.order < job.order) break;
    heap[place] = heap[parent]!;
    place = parent;
  }
  heap[place] = job;
}

/** Removes the first of the heap. */
function removeFirst<J extends Keyed>(heap: J[]): void {
  const job = heap.pop()!;
  if (heap.length === 0) return;
  let place = 0;
  for (;;) {
    let child = 2 * place + 1;
    if (child + 1 < heap.length && heap[child + 1]!.order < heap[child]!.order) child++;
    if (child >= heap.length || job.order < heap[child]!.order) break;
    heap[place] = heap[child]!;
    place = child;
  }
  heap[place] = job;
}
