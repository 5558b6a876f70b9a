import type { HandlerContext } from "./call_context.ts";
import { Entrance, type EntranceHost } from "./entrance.ts";
import type { IntakeJob } from "./intake_job.ts";
import type { IntakeOptions } from "./intake_options.ts";
import { type Counts, Ledger } from "./ledger.ts";
import { Pool, type PoolHost } from "./pool.ts";
import {
  Deferred,
  DONE,
  isThenable,
  markHandled,
  reportUncaught,
  whenSettled,
} from "./promises.ts";
import { follow, type Follower, unfollow } from "./signals.ts";
import { Consumer, openSource, type Source } from "./source.ts";

/**
 * The one way into a sink, by whichever front an item comes, and the one way out: it holds the
 * bound, keeps the accounts, and says who is told what when the sink closes or fails.
 *
 * - `open`: everything is accepted for which there is room.
 * - `closing`: only what was pushed or written before is.
 * - `draining`: the stream has written all it had; the sink is `closed` when all has settled.
 * - `errored`: nothing more starts, and handlers that run are let go.
 */
export abstract class Intake<T, P> implements PoolHost<IntakeJob<T, P>>, EntranceHost<T>, Follower {
  readonly ledger: Ledger = new Ledger();
  protected readonly pool: Pool<IntakeJob<T, P>>;
  readonly #options: IntakeOptions<T, P>;

  #state: "open" | "closing" | "draining" | "closed" | "errored" = "open";
  /** A box: the error may be any value. */
  #failure: { readonly error: unknown } | undefined;
  readonly #closed = new Deferred<void>();
  /** Tells the stream that the sink has failed. */
  #onErrored: ((error: unknown) => void) | undefined;

  /** Those who wait for room, while there is none. */
  readonly #entrance = new Entrance<T>();
  #resting = false;
  /** The `consume` calls that are under way. */
  readonly #consumers = new Set<Consumer<T>>();

  constructor(options: IntakeOptions<T, P>) {
    this.#options = options;
    markHandled(this.#closed.promise); // Whoever waits for it has one of its own.
    this.pool = new Pool(this, options);
  }

  /** Whether an item of this key can be accepted now. */
  protected abstract hasRoom(key: unknown): boolean;

  /** Accepts an item, for which there is room; false if user code in there has used it up. May throw. */
  abstract accept(...entry: Parameters<EntranceHost<T>["accept"]>): boolean;

  /** Starts something that waits for a worker outside the pool, if it can; `all` if nothing more comes. */
  protected dispatch?(all: boolean): boolean;

  /** Whether there may be something to dispatch. */
  protected abstract get dispatches(): boolean;

  /** Takes what waits outside the pool. */
  protected abandon?(): IntakeJob<T, P>[];

  get stats(): Counts {
    return this.ledger.snapshot();
  }

  /** The stream is there, and will be told of a failure. */
  connect(onErrored: (error: unknown) => void): void {
    this.#onErrored = onErrored;
    follow(this.#options.signal, this);
  }

  tryPush(item: T): boolean {
    this.#checkOpen();
    const { key, context } = this.#options;
    const lane = key?.(item);
    if (key) this.#checkOpen();
    if (!this.#admits(lane)) return false;
    const run = context?.();
    if (context) {
      this.#checkOpen();
      if (!this.#admits(lane)) return false;
    }
    return this.accept(item, lane, run, undefined);
  }

  push(item: T): Promise<void> {
    try {
      this.#checkOpen();
      return this.#offer(item, undefined) ?? DONE;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  submit(item: T): Promise<unknown> {
    const result = new Deferred<unknown>();
    try {
      this.#checkOpen();
      this.#offer(item, result);
    } catch (error) {
      result.reject(error);
    }
    return result.promise;
  }

  /** Takes what the stream writes; what was written before a `close()` comes while closing. */
  write(item: T): Promise<void> | undefined {
    try {
      return this.#offer(item, undefined, "written");
    } catch (error) {
      // A stream whose write fails is errored, and its sink is not told.
      this.fail(error);
      throw error;
    }
  }

  async consume(source: Source<T>): Promise<void> {
    this.#checkOpen();
    const reader = openSource(`${this.#options.owner}.consume`, source);
    const consumer = new Consumer(reader, (item) => this.#offer(item, undefined));
    this.#consumers.add(consumer);
    // To open a source is user code, too: the sink may be at its end by now.
    if (this.#state !== "open") consumer.abandon(this.#refusal());
    try {
      await consumer.run();
      await this.flush();
    } finally {
      this.#consumers.delete(consumer);
    }
  }

  flush(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure.error);
    return this.ledger.whenFlushed();
  }

  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** From here on nothing new is accepted. */
  refuse(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#stopConsumers(this.#refusal());
  }

  /** Everything the stream had has been written: resolves when all of it has settled. */
  drain(): Promise<void> {
    this.refuse();
    this.#state = "draining";
    this.rested();
    return this.whenClosed();
  }

  /** Settles when the sink is closed or errored. */
  whenClosed(): Promise<void> {
    // One for each who asks, so that nobody's rejection counts as handled by another.
    return this.#closed.promise.then();
  }

  /** Stops at once, for good, with `error`. The first error wins. */
  fail(error: unknown): void {
    if (this.#state === "closed" || this.#failure) return;
    this.#state = "errored";
    this.#failure = { error };
    unfollow(this.#options.signal, this);

    const { waiting, running } = this.pool.stop();
    const items: T[] = [];
    this.ledger.rejectFlushes(error);
    for (const job of [...waiting, ...this.abandon?.() ?? []]) {
      this.ledger.discard(job.count, job.epoch);
      job.reject(error);
      for (const item of job.items) items.push(item);
    }
    for (const job of running) job.reject(error);
    this.#entrance.reject(error);
    this.#closed.reject(error);
    this.#onErrored?.(error);

    // User code from here on: all that it can see is as it will be.
    this.#stopConsumers(error);
    this.pool.abort(error);
    if (items.length === 0) return;
    const { onDiscard } = this.#options;
    try {
      onDiscard?.(items, error);
    } catch (thrown) {
      reportUncaught(thrown);
    }
  }

  // What the pool asks.

  starting(job: IntakeJob<T, P>): void {
    this.ledger.start(job.count);
  }

  call(job: IntakeJob<T, P>, context: HandlerContext): unknown {
    const { handler } = this.#options;
    return handler(job.payload, context);
  }

  settled(job: IntakeJob<T, P>, failed: boolean, outcome: unknown): Promise<void> | undefined {
    if (!failed) {
      try {
        job.deliver(outcome);
        return;
      } catch (error) {
        outcome = error;
      }
    }
    job.failures = job.count;
    if (job.reject(outcome) || this.#failure) return;
    const { onError } = this.#options;
    if (onError === undefined) {
      this.fail(outcome);
      return;
    }
    try {
      const handled = onError(outcome, job.payload);
      if (isThenable(handled)) {
        return whenSettled(handled, () => {}, (error) => this.fail(error));
      }
    } catch (error) {
      this.fail(error);
    }
  }

  released(job: IntakeJob<T, P>): void {
    this.ledger.settle(job.count, job.failures, job.epoch);
  }

  rested(): void {
    // What is started here may settle at once, and come by here again.
    if (this.#resting) return;
    // The usual case, for each item.
    if (this.#state === "open" && this.#entrance.empty && !this.dispatches) return;
    this.#resting = true;
    while (!this.#failure && (this.dispatch?.(this.#ending) || this.#admit()));
    this.#resting = false;
    this.#checkClosed();
  }

  /** Throws where nothing can be accepted any more, also of what was pushed before `close()`. */
  protected checkUsable(): void {
    if (this.#failure || this.#state === "closed") throw this.#refusal();
  }

  /** Nothing more comes. */
  get #ending(): boolean {
    return this.#state === "draining" && this.#entrance.empty;
  }

  /** Lets in the first of those who wait for room, if there is some; returns whether anything has changed. */
  #admit(): boolean {
    const { head } = this.#entrance;
    if (head === undefined || !this.hasRoom(head.key)) return false;
    // Also where that fails: what has used the room up may have to start first.
    this.#entrance.admit(this);
    return true;
  }

  /** Nobody overtakes those who wait for room. */
  #admits(key: unknown): boolean {
    return this.#entrance.empty && this.hasRoom(key);
  }

  /** Accepts the item now, or puts it in the entrance and returns when that is over. */
  #offer(
    item: T,
    result: Deferred<unknown> | undefined,
    written?: "written",
  ): Promise<void> | undefined {
    const { key, context } = this.#options;
    const lane = key?.(item);
    const run = context?.();
    // The hooks are user code: things may be otherwise now.
    if (this.#failure) throw this.#failure.error;
    if (!written) this.#checkOpen();
    if (this.#admits(lane) && this.accept(item, lane, run, result)) return;
    return this.#entrance.wait(item, lane, run, result);
  }

  #stopConsumers(reason: unknown): void {
    for (const consumer of this.#consumers) consumer.abandon(reason);
  }

  #checkOpen(): void {
    if (this.#state !== "open") throw this.#refusal();
  }

  #refusal(): unknown {
    if (this.#failure) return this.#failure.error;
    return new TypeError(`${this.#options.owner}: nothing is accepted after close()`);
  }

  #checkClosed(): void {
    if (!this.#ending || !this.ledger.idle) return;
    this.#state = "closed";
    unfollow(this.#options.signal, this);
    this.#closed.resolve();
  }
}
