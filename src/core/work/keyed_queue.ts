import { FifoQueue } from "../shared/fifo_queue.ts";
import type { Job, KeyLine } from "./job.ts";

/**
 * At most one job of each key is ready or running; its other jobs stand behind it, in order. Of the
 * ready jobs the oldest goes first, so a key gains nothing from having been blocked.
 */
export class KeyedQueue<J extends Job<unknown, unknown>> {
  private readonly lines = new Map<unknown, KeyLine>();
  /** Ready jobs, in order. */
  private readonly fresh = new FifoQueue<J>();
  /** The ready jobs that were not the newest when they became ready. A heap, the oldest first. */
  private readonly freed: J[] = [];
  private accepted = 0;
  /** The order of the last job in `fresh`. */
  private newest = 0;

  /** Whether a job of this key needs to wait for no other job of the key. */
  free(key: unknown): boolean {
    return !this.lines.has(key);
  }

  push(job: J): void {
    job.order ??= this.accepted++;
    const line = this.lines.get(job.key);
    if (line) {
      job.line = line;
      line.behind.push(job);
    } else {
      this.lines.set(job.key, job.line = { first: job, behind: new FifoQueue() });
      this.ready(job);
    }
  }

  /** The job may start. */
  private ready(job: J): void {
    const order = job.order!;
    if (order < this.newest) return this.put(job, this.freed.length);
    this.newest = order;
    this.fresh.push(job);
  }

  /** The oldest job that may start now. */
  get head(): J | undefined {
    const fresh = this.fresh.head;
    const freed = this.freed[0];
    return freed === undefined || (fresh !== undefined && fresh.order! < freed.order!)
      ? fresh
      : freed;
  }

  /** Removes and returns the oldest job that may start now. */
  shift(): J | undefined {
    const { head } = this;
    if (head) this.take(head);
    return head;
  }

  /** A job has settled: the next job of its key may start. */
  release(job: J): void {
    const line = job.line!;
    const next = line.behind.shift();
    if (!next) return void this.lines.delete(job.key);
    line.first = next;
    this.ready(next as J);
  }

  /** Removes a job, which must be in here. The next job of its key no longer waits for it. */
  remove(job: J): void {
    const { first, behind } = job.line!;
    if (first !== job) return behind.remove(job);
    this.take(job);
    this.release(job);
  }

  /** Removes all waiting jobs, in the order of acceptance. */
  removeAll(): J[] {
    const behind = [...this.lines.values()].flatMap((line) => line.behind.removeAll() as J[]);
    const jobs = [...this.freed, ...this.fresh.removeAll(), ...behind];
    this.freed.length = 0;
    this.lines.clear();
    return jobs.sort((a, b) => a.order! - b.order!);
  }

  /** Removes a ready job from its place. */
  private take(job: J): void {
    const { place } = job;
    if (place === undefined) return this.fresh.remove(job);
    job.place = undefined;
    const last = this.freed.pop()!;
    if (last !== job) this.put(last, place);
  }

  /** Puts a job into the heap, at a free place or up or down from there. */
  private put(job: J, at: number): void {
    const heap = this.freed;
    const order = job.order!;
    let place = at;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (heap[parent]!.order! < order) break;
      this.set(heap[parent]!, place);
      place = parent;
    }
    for (let child; (child = 2 * place + 1) < heap.length; place = child) {
      if (child + 1 < heap.length && heap[child + 1]!.order! < heap[child]!.order!) child++;
      if (heap[child]!.order! > order) break;
      this.set(heap[child]!, place);
    }
    this.set(job, place);
  }

  private set(job: J, place: number): void {
    this.freed[place] = job;
    job.place = place;
  }
}
