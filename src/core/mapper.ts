import type { HandlerContext } from "./call_context.ts";
import type { Lane } from "./lanes.ts";
import { Fifo, type Linked } from "./fifo.ts";
import { Passage } from "./passage.ts";
import { type Job, Pool, type PoolHost } from "./pool.ts";
import { Deferred } from "./promises.ts";

/** How a {@linkcode Mapper} works. Checked already. */
export interface MapperOptions<T> {
  owner: string;
  concurrency: number;
  timeout: number;
  ordered: boolean;
  key: ((item: T) => unknown) | undefined;
}

/** A place in the line of results. Not the call itself, which may stand in the pool's queue as well. */
class Result<R> implements Linked {
  next: Linked | undefined;
  there = false;
  value: R | undefined;
}

/** One call. */
class Call<T, R> implements Job {
  next: Linked | undefined;
  declare order: number;
  declare lane: Lane | undefined;
  readonly run = undefined;
  readonly key: unknown;
  readonly item: T;
  readonly result: Result<R> = new Result();

  constructor(item: T, key: unknown) {
    this.item = item;
    this.key = key;
  }
}

/**
 * Calls a function for each item, and hands over the results on demand. Calls that wait, run or have
 * a result that waits are never more than `concurrency`.
 */
export class Mapper<T, R> extends Passage<T, R> implements PoolHost<Call<T, R>> {
  readonly #fn: (item: T, context: HandlerContext) => R | PromiseLike<R>;
  readonly #options: MapperOptions<T>;
  readonly #pool: Pool<Call<T, R>>;
  /** In the order in which they are handed over: that of the items, or that of the results. */
  readonly #line = new Fifo<Result<R>>();
  #open = 0;
  #calling = 0;
  /** Of the item that was offered last. */
  #key: unknown;
  #settled: Deferred<void> | undefined;

  constructor(
    fn: (item: T, context: HandlerContext) => R | PromiseLike<R>,
    options: MapperOptions<T>,
  ) {
    super();
    this.#fn = fn;
    this.#options = options;
    this.#pool = new Pool(this, options);
  }

  /** Resolves when every call has settled, so that a late failure still reaches the writer. */
  override close(): Promise<void> | undefined {
    super.close();
    if (this.#calling === 0) return;
    this.#settled = new Deferred();
    return this.#settled.promise;
  }

  /** A close that waits for calls holds up an abort, too. */
  override dismiss(reason: unknown): void {
    super.dismiss(reason);
    // Not at once: Node 20 does not bear it that the writable is errored inside its own abort.
    if (this.closing && this.#calling > 0) queueMicrotask(() => this.fail(reason));
  }

  protected override get full(): boolean {
    return this.#open >= this.#options.concurrency;
  }

  protected override take(item: T): boolean {
    const { key } = this.#options;
    this.#key = key?.(item);
    if (this.full || this.errored) return false;
    this.put(item);
    return true;
  }

  protected override put(item: T): void {
    const call = new Call<T, R>(item, this.#key);
    this.#open++;
    this.#calling++;
    if (this.#options.ordered) this.#line.push(call.result);
    this.#pool.add(call);
    this.#pool.drain();
  }

  protected override advance(): void {
    while (this.demand && this.#line.head?.there) {
      const { value } = this.#line.shift()!;
      this.#open--;
      this.emit(value as R);
      this.admit();
    }
    if (this.closing && this.#open === 0) this.finish();
  }

  protected override release(): void {
    this.#key = undefined;
    this.#line.drain();
    this.#pool.stop();
  }

  protected override abandon(reason: unknown): void {
    this.#settled?.reject(reason);
    this.#pool.abort(reason);
  }

  // What the pool asks.

  starting(): void {}

  call(call: Call<T, R>, context: HandlerContext): unknown {
    const fn = this.#fn;
    return fn(call.item, context);
  }

  settled(call: Call<T, R>, failed: boolean, outcome: unknown): undefined {
    this.#calling--;
    if (failed) {
      this.fail(outcome);
    } else if (!this.errored) {
      call.result.there = true;
      call.result.value = outcome as R;
      if (!this.#options.ordered) this.#line.push(call.result);
    }
  }

  released(): void {
    if (this.#calling === 0) this.#settled?.resolve();
  }

  rested(): void {
    if (!this.errored) this.step();
  }
}
