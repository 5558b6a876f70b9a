import type { HandlerContext } from "../shared/call_context.ts";
import { FifoQueue, type Linked } from "../shared/fifo_queue.ts";
import type { Keyed } from "../work/keyed_queue.ts";
import { Pool, type PoolHost } from "../work/pool.ts";
import type { Stage, StageController } from "./stage.ts";

/** How a {@linkcode MapStage} works. Checked already. */
export interface MapOptions<T> {
  owner: string;
  concurrency: number;
  timeout: number;
  ordered: boolean;
  key: ((item: T) => unknown) | undefined;
}

/** A place in the order of results. Not the call itself, which may stand in the pool's queue as well. */
interface Result<R> extends Linked {
  settled: boolean;
  value: R | undefined;
}

/** One call. */
interface MapCall<T, R> extends Keyed {
  readonly item: T;
  readonly result: Result<R>;
}

/**
 * Calls a function for each item, and hands over the results on demand. Calls that wait, run or have
 * a result that waits are never more than `concurrency`.
 */
export class MapStage<T, R> implements Stage<T>, PoolHost<MapCall<T, R>> {
  readonly #controller: StageController<T, R>;
  readonly #fn: (item: T, context: HandlerContext) => R | PromiseLike<R>;
  readonly #options: MapOptions<T>;
  readonly #pool: Pool<MapCall<T, R>>;
  /** In the order in which they are handed over: that of the items, or that of the results. */
  readonly #results = new FifoQueue<Result<R>>();
  #open = 0;
  #calling = 0;
  /** Of the item that is being written. */
  #key: unknown;

  constructor(
    controller: StageController<T, R>,
    fn: (item: T, context: HandlerContext) => R | PromiseLike<R>,
    options: MapOptions<T>,
  ) {
    this.#controller = controller;
    this.#fn = fn;
    this.#options = options;
    this.#pool = new Pool(this, options);
  }

  get full(): boolean {
    return this.#open >= this.#options.concurrency;
  }

  write(item: T): boolean {
    const { key, ordered } = this.#options;
    if (!this.#controller.pendingWrite) this.#key = key?.(item);
    if (this.full || this.#controller.errored) return false;
    const result: Result<R> = { next: undefined, settled: false, value: undefined };
    this.#pool.add({ next: undefined, key: this.#key, item, result });
    this.#key = undefined;
    this.#open++;
    this.#calling++;
    if (ordered) this.#results.push(result);
    this.#pool.fill();
    return true;
  }

  pull(): void {
    const controller = this.#controller;
    while (controller.pullRequested && this.#results.head?.settled) {
      const { value } = this.#results.shift()!;
      this.#open--;
      controller.enqueue(value as R);
      if (!controller.closeRequested) controller.ready();
    }
    if (controller.closeRequested && this.#open === 0) controller.finish();
  }

  /** When every call has settled, so that a late failure still reaches the writer. */
  close(): boolean {
    return this.#calling === 0;
  }

  abort(reason: unknown): void {
    this.#key = undefined;
    this.#results.removeAll();
    this.#pool.stop();
    this.#pool.abort(reason);
  }

  // For the pool.

  run(call: MapCall<T, R>, context: HandlerContext): unknown {
    const fn = this.#fn;
    return fn(call.item, context);
  }

  onSettle(call: MapCall<T, R>, failed: boolean, outcome: unknown): undefined {
    this.#calling--;
    if (failed) {
      this.#controller.error(outcome);
    } else if (!this.#controller.errored) {
      call.result.settled = true;
      call.result.value = outcome as R;
      if (!this.#options.ordered) this.#results.push(call.result);
    }
  }

  onRelease(): void {
    if (this.#calling === 0 && this.#controller.closeRequested) this.#controller.ready();
  }

  onIdle(): void {
    if (!this.#controller.errored) this.#controller.advance();
  }
}
