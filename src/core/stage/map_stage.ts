import type { HandlerContext } from "../shared/call_context.ts";
import { FifoQueue, type Linked } from "../shared/fifo_queue.ts";
import { isThenable, whenSettled } from "../shared/promises.ts";
import type { Job } from "../work/job.ts";
import type { StartLimit } from "../work/start_limit.ts";
import { Pool, type PoolHost } from "../work/pool.ts";
import type { Stage, StageController } from "./stage.ts";

/** What `stats` of a `MapStream` shows. Every accepted item is in exactly one of the other five. */
export interface MapStats {
  /** Items that were written and taken. */
  readonly accepted: number;
  /** Accepted items whose call has not started. */
  readonly waiting: number;
  /** Items whose call has started and not settled. */
  readonly running: number;
  /** Items whose call has succeeded, whether the result has been read or not. */
  readonly done: number;
  /** Items whose call has thrown, rejected or timed out. */
  readonly failed: number;
  /** Items that were discarded before their call started. */
  readonly discarded: number;
  /**
   * Calls that run on after their `timeout` now. Their items have failed, and count in `failed`.
   */
  readonly overrunning: number;
}

/** How a {@linkcode MapStage} works. Checked already. */
export interface MapOptions<T> {
  owner: string;
  concurrency: number;
  capacity: number;
  timeout: number;
  overrun: "release" | "hold";
  rate?: StartLimit | undefined;
  ordered: boolean;
  key?: ((item: T) => unknown) | undefined;
  onError?: ((error: unknown, item: T) => unknown) | undefined;
}

/**
 * A place in the order of results. It is not the call itself, which may also be in the pool's
 * queue.
 */
interface Result<R> extends Linked {
  settled: boolean;
  /** Whether there is no value: then nothing is handed over. */
  failed: boolean;
  value: R | undefined;
}

/** One call. */
type MapCall<T, R> = Job<T, Result<R>>;

/**
 * Calls a function for each item, and hands over the results on demand. Calls that wait, calls that
 * run and results that wait are never more than `capacity` together.
 */
export class MapStage<T, R> implements Stage<T>, PoolHost<T, Result<R>> {
  readonly reentrant = true;
  readonly #controller: StageController<T, R>;
  readonly #fn: (item: T, context: HandlerContext) => R | PromiseLike<R>;
  readonly #options: MapOptions<T>;
  readonly #pool: Pool<T, Result<R>>;
  /**
   * In the order in which they are handed over: the order of the items, or the order of the
   * results.
   */
  readonly #results = new FifoQueue<Result<R>>();
  #open = 0;
  readonly #counts = {
    ...{ accepted: 0, waiting: 0, running: 0, done: 0, failed: 0, discarded: 0, overrunning: 0 },
  };
  /** Calls whose turn came while the stream was aborting. */
  readonly #unstarted: MapCall<T, R>[] = [];
  /** The key of the item that is being written. */
  #key: unknown;
  /**
   * Whether to make a call before its job, because a call that settles at once needs no job. True
   * as long as every call has settled at once.
   */
  #prompt: boolean;
  /** The outcome of that call, if it needs a job. */
  #outcome: (() => unknown) | undefined;

  constructor(
    controller: StageController<T, R>,
    fn: (item: T, context: HandlerContext) => R | PromiseLike<R>,
    options: MapOptions<T>,
  ) {
    this.#controller = controller;
    this.#fn = fn;
    this.#options = options;
    this.#pool = new Pool(this, options);
    this.#prompt = !options.key && !options.rate && options.timeout === Infinity;
  }

  get stats(): MapStats {
    return { ...this.#counts };
  }

  get full(): boolean {
    return this.#open >= this.#options.capacity;
  }

  write(item: T, again: boolean): boolean {
    const { key, ordered } = this.#options;
    if (!again) this.#key = key?.(item);
    if (this.full || this.#controller.errored) return false;
    const result: Result<R> = {
      next: undefined,
      before: undefined,
      settled: false,
      failed: false,
      value: undefined,
    };
    this.#open++;
    this.#counts.accepted++;
    if (ordered) this.#results.push(result);
    if (this.#prompt && this.#callNow(item, result)) return true;
    const call = this.#pool.take(item, this.#key);
    call.result = result;
    this.#key = undefined;
    this.#counts.waiting++;
    this.#pool.enter(call);
    return true;
  }

  /** Makes the call if it may start now. Returns whether it has settled. */
  #callNow(item: T, result: Result<R>): boolean {
    const counts = this.#counts;
    if (counts.waiting > 0 || !this.#pool.idle) return false;
    counts.running++;
    try {
      const outcome = this.#pool.call(this.#fn, item);
      this.#prompt = !isThenable(outcome);
      if (this.#prompt) result.value = outcome as R;
      else this.#outcome = () => outcome;
    } catch (error) {
      this.#outcome = () => {
        throw error;
      };
    }
    if (this.#outcome) {
      counts.running--;
      return false;
    }
    this.#release(result);
    if (this.#controller.pullRequested) this.#controller.advance();
    return true;
  }

  pull(): void {
    const controller = this.#controller;
    for (;;) {
      const next = this.#results.head;
      if (!next?.settled || !(next.failed || controller.pullRequested)) break;
      this.#results.shift();
      this.#open--;
      if (!next.failed) controller.enqueue(next.value as R);
      if (!controller.closeRequested) controller.ready();
    }
    if (!controller.closeRequested) return;
    if (this.#settled()) controller.ready();
    if (this.#open === 0) controller.finish();
  }

  /**
   * The writable side closes when every call has settled, so that a late failure still reaches the
   * writer.
   */
  close(): boolean {
    return this.#settled();
  }

  abort(reason: unknown): void {
    this.#key = undefined;
    this.#results.removeAll();
    const items = [...this.#unstarted, ...this.#pool.stop()].map(({ payload }) => payload);
    this.#counts.waiting -= items.length;
    this.#counts.discarded += items.length;
    this.#pool.abort(reason);
    this.#controller.discard?.(items, reason);
  }

  // For the pool.

  run(call: MapCall<T, R>, context: HandlerContext): unknown {
    const fn = this.#fn;
    this.#counts.waiting--;
    this.#counts.running++;
    return this.#outcome ? this.#tell() : fn(call.payload, context);
  }

  /** The outcome of the call that came before its job. */
  #tell(): unknown {
    const outcome = this.#outcome!;
    this.#outcome = undefined;
    return outcome();
  }

  onSettle(call: MapCall<T, R>, failed: boolean, outcome: unknown): Promise<void> | undefined {
    if (this.#controller.errored) {
      for (const call of this.#pool.stop()) {
        this.#unstarted.push(call);
      }
    }
    const result = call.result!;
    result.failed = failed;
    if (!failed) result.value = outcome as R;
    else if (!this.#controller.errored) {
      const kept = this.#onError(outcome, call.payload);
      if (kept) return kept;
    }
    this.onRelease(call);
  }

  onRelease(call: MapCall<T, R>): void {
    this.#release(call.result!);
  }

  #release(result: Result<R>): void {
    const counts = this.#counts;
    counts.running--;
    if (result.failed) counts.failed++;
    else counts.done++;
    if (this.#controller.errored) return;
    result.settled = true;
    // In the order of settlement, a result without a value waits for no other result.
    if (!this.#options.ordered) this.#results[result.failed ? "unshift" : "push"](result);
  }

  onOverrun(by: 1 | -1): void {
    this.#counts.overrunning += by;
  }

  onIdle(): void {
    this.#controller.advance();
  }

  #settled(): boolean {
    return this.#counts.waiting + this.#counts.running === 0;
  }

  /** Skips the item if `onError` takes the error; otherwise the error ends both sides. */
  #onError(error: unknown, item: T): Promise<void> | undefined {
    const controller = this.#controller;
    const { onError } = this.#options;
    try {
      if (!onError) throw error;
      const handled = onError(error, item);
      if (isThenable(handled)) {
        return whenSettled(handled, () => {}, (thrown) => controller.error(thrown));
      }
    } catch (thrown) {
      controller.error(thrown);
    }
  }
}
