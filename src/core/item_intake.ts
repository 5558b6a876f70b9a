import type { Lane } from "./lanes.ts";
import type { Linked } from "./fifo.ts";
import { Intake } from "./intake.ts";
import type { IntakeJob } from "./intake_job.ts";
import type { IntakeOptions } from "./intake_options.ts";
import type { Epoch } from "./ledger.ts";
import type { Runner } from "./pool.ts";
import type { Deferred } from "./promises.ts";

/** Has the pool handle each item by itself. */
export class ItemIntake<T> extends Intake<T, T> {
  readonly #capacity: number;

  constructor(options: IntakeOptions<T, T>, capacity: number) {
    super(options);
    this.#capacity = capacity;
  }

  protected override get dispatches(): boolean {
    return false;
  }

  protected override hasRoom(key: unknown): boolean {
    return this.ledger.waiting < this.#capacity || this.pool.canStart(key);
  }

  override accept(
    item: T,
    key: unknown,
    run: Runner | undefined,
    result: Deferred<unknown> | undefined,
  ): boolean {
    this.ledger.accept();
    this.pool.add(new ItemJob(item, key, run, result, this.ledger.epoch));
    this.pool.drain();
    return true;
  }
}

class ItemJob<T> implements IntakeJob<T, T> {
  next: Linked | undefined;
  // Not there before a queue sets them, which only those with keys do: what is not there costs nothing.
  declare order: number;
  declare lane: Lane | undefined;
  failures = 0;
  readonly payload: T;
  readonly key: unknown;
  readonly run: Runner | undefined;
  readonly epoch: Epoch;
  readonly #result: Deferred<unknown> | undefined;

  constructor(
    item: T,
    key: unknown,
    run: Runner | undefined,
    result: Deferred<unknown> | undefined,
    epoch: Epoch,
  ) {
    this.payload = item;
    this.key = key;
    this.run = run;
    this.epoch = epoch;
    this.#result = result;
  }

  get count(): number {
    return 1;
  }

  get items(): readonly T[] {
    return [this.payload];
  }

  deliver(outcome: unknown): void {
    this.#result?.resolve(outcome);
  }

  reject(error: unknown): boolean {
    this.#result?.reject(error);
    return this.#result !== undefined;
  }
}
