import { after } from "../shared/late.ts";
import { check, DELAY } from "../shared/options.ts";
import { isThenable, whenSettled } from "../shared/promises.ts";
import { type Failure, type Job, resultsOf, type Runner } from "./job.ts";
import type { WorkOptions } from "./work_options.ts";

/** The owner of the handlers that fail. */
export interface FailureHost {
  /** The error of the sink, if it has one. */
  readonly failure: { readonly error: unknown } | undefined;
  /**
   * Nothing else deals with a failure, so the sink errors. With `heard`, a caller has got the
   * error.
   */
  error(reason: unknown, heard?: boolean): void;
}

/**
 * Decides what happens to failed items: they go again, go to `onError`, error the sink, or count as
 * discarded after the end of the sink.
 */
export class Failures<T, P> {
  readonly #host: FailureHost;
  readonly #options: WorkOptions<T, P>;
  /** Functions that stop the clock of each `onError` that runs. */
  readonly #clocks = new Set<() => void>();

  constructor(host: FailureHost, options: WorkOptions<T, P>) {
    this.#host = host;
    this.#options = options;
  }

  /**
   * Resolves when the failures are dealt with; returns `undefined` if they are already. If the
   * items `may` go again, their places are in `job.outcome.again`.
   */
  settle(job: Job<P>, failures: Iterable<Failure>, may: boolean): Promise<void> | undefined {
    const { batch, payload } = job;
    const results = resultsOf(job);
    const itemAt = (place: number): unknown => batch ? batch.items[place] : payload;
    let kept: Promise<void> | undefined;
    for (const { error, places } of failures) {
      const outcome = job.outcome ??= { failed: 0, abandoned: 0, returned: [], again: new Set() };
      const { failure } = this.#host;
      const asked = places.filter((place) => !results[place]?.left);
      if (
        may && !failure && asked.length > 0 &&
        this.#goesAgain(job, error, batch ? asked.map(itemAt) : payload)
      ) {
        for (const place of asked) outcome.again.add(place);
      }
      const untold: unknown[] = [];
      let owed = 0;
      for (const place of places) {
        if (outcome.again.has(place)) continue;
        const result = results[place];
        if (result?.left && isEcho(error, result.left.reason)) {
          outcome.abandoned++;
          continue;
        }
        outcome.failed++;
        if (result && !result.left) result.reject(error);
        else {
          untold.push(itemAt(place));
          if (!result) owed++;
        }
      }
      if (untold.length === 0) continue;
      if (failure && isEcho(error, failure.error)) {
        outcome.failed -= untold.length;
        outcome.returned = outcome.returned.concat(untold);
        continue;
      }
      // A caller that has left has got its reason: a failure of its item ends nothing.
      if (owed === 0 && !this.#options.onError) continue;
      const told = batch ? [untold, payload] : untold;
      const reported = this.#report(job, error, told, places.length > untold.length);
      kept = kept?.then(() => reported) ?? reported;
    }
    return kept;
  }

  /** The end of the sink also ends the timeouts. */
  stop(): void {
    for (const stop of this.#clocks) stop();
  }

  /** Asks `retry` whether, and when, the failed items go to the handler again. */
  #goesAgain(job: Job<P>, error: unknown, told: unknown): boolean {
    const { owner, retry } = this.#options;
    if (!retry) return false;
    const { snapshot, delay = 0, retries } = job;
    try {
      const next = runWithin(snapshot, retry, error, retries + 1, told as never);
      if (next === undefined) return false;
      job.delay = Math.max(delay, check(owner, "retry", next as number, DELAY));
      return true;
    } catch (thrown) {
      this.#host.error(thrown);
      return false;
    }
  }

  #report(
    { snapshot }: Job<P>,
    error: unknown,
    told: readonly unknown[],
    heard: boolean,
  ): Promise<void> | undefined {
    const { onError } = this.#options;
    if (!onError) return void this.#host.error(error, heard);
    try {
      const handled = runWithin(snapshot, onError, error, ...told as never[]);
      if (isThenable(handled)) return this.#bounded(handled, error);
    } catch (thrown) {
      this.#host.error(thrown);
    }
  }

  /** Resolves when that `onError` has settled, or when its time is up: then the sink errors. */
  #bounded(handled: PromiseLike<unknown>, failure: unknown): Promise<void> {
    const host = this.#host;
    const { owner, timeout } = this.#options;
    return new Promise((release) => {
      const over = (): void => {
        stop();
        this.#clocks.delete(stop);
        release();
      };
      const limit = host.failure ? Infinity : timeout;
      const stop = after(limit, `${owner}: onError has not settled`, (late) => {
        host.error(Object.defineProperty(late, "cause", { value: failure }));
        over();
      });
      this.#clocks.add(stop);
      whenSettled(handled, over, (thrown) => {
        host.error(thrown);
        over();
      });
    });
  }
}

/** Whether an error is only an echo of an end with this reason. */
function isEcho(error: unknown, reason: unknown): boolean {
  try {
    const { name, cause } = Object(error ?? {});
    return error === reason || name === "AbortError" || (cause !== undefined && cause === reason);
  } catch {
    return false;
  }
}

/** A separate function, because a closure over the job would cost time for every job. */
export function runWithin<A extends unknown[]>(
  snapshot: Runner | undefined,
  call: (...args: A) => unknown,
  ...args: A
): unknown {
  return snapshot ? snapshot(() => call(...args)) : call(...args);
}
