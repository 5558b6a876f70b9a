import { FifoQueue } from "../shared/fifo_queue.ts";
import type { Job, KeyLine } from "./job.ts";

/**
 * One job of a key is ready or running, the others stand behind it in order. Among the ready ones the
 * oldest goes first, so a key gains nothing by having been blocked.
 */
export class KeyedQueue<J extends Job<unknown, unknown>> {
  private readonly lines = new Map<unknown, KeyLine>();
  /** Ready since they came, in order. */
  private readonly fresh = new FifoQueue<J>();
  /** The other ready ones, which came late or had a job before them: a heap, the oldest first. */
  private readonly freed: J[] = [];
  private accepted = 0;
  /** The last of the fresh ones. */
  private newest = 0;

  /** Whether a job of this key need not wait for another of it. */
  free(key: unknown): boolean {
    return !this.lines.has(key);
  }

  push(job: J): void {
    const order = job.order ??= this.accepted++;
    const line = this.lines.get(job.key);
    if (line) {
      job.line = line;
      line.behind.push(job);
    } else {
      this.lines.set(job.key, job.line = { first: job, behind: new FifoQueue() });
      if (order < this.newest) return this.put(job, this.freed.length);
      this.newest = order;
      this.fresh.push(job);
    }
  }

  /** The oldest job that may start now. */
  get head(): J | undefined {
    const fresh = this.fresh.head;
    const freed = this.freed[0];
    return freed === undefined || (fresh !== undefined && fresh.order! < freed.order!)
      ? fresh
      : freed;
  }

  /** Takes it. */
  shift(): J | undefined {
    const { head } = this;
    if (head) this.take(head);
    return head;
  }

  /** A job has settled: the next one of its key may start. */
  release(job: J): void {
    const line = job.line!;
    const next = line.behind.shift();
    if (!next) return void this.lines.delete(job.key);
    line.first = next;
    this.put(next as J, this.freed.length);
  }

  /** Takes out a job, which must be in here: its key need not wait for it. */
  remove(job: J): void {
    const { first, behind } = job.line!;
    if (first !== job) return behind.remove(job);
    this.take(job);
    this.release(job);
  }

  /** Takes all that waits, in the order of acceptance. */
  removeAll(): J[] {
    const behind = [...this.lines.values()].flatMap((line) => line.behind.removeAll() as J[]);
    const jobs = [...this.freed, ...this.fresh.removeAll(), ...behind];
    this.freed.length = 0;
    this.lines.clear();
    return jobs.sort((a, b) => a.order! - b.order!);
  }

  /** Takes a ready one from where it stands. */
  private take(job: J): void {
    const { place } = job;
    if (place === undefined) return this.fresh.remove(job);
    job.place = undefined;
    const last = this.freed.pop()!;
    if (last !== job) this.put(last, place);
  }

  /** Puts a job at a place of the heap that is free, or up or down from there. */
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
