/**
 * The need: many processes ask for the same thing at once, and one of them should do the work for all. A
 * `Singleflight` does that within one process.
 *
 * The idea: a key in NATS KV is a lease. The process that creates the key runs the function, and renews the
 * lease meanwhile. The others wait for the result, which replaces the lease. If the process dies, its lease
 * ends, and another process runs the function.
 *
 * The limits:
 *
 * - It guarantees one result for each key, and not one execution. A process that is blocked for longer than its
 *   lease goes on beside its successor. The server then refuses its result.
 * - Results are JSON.
 * - It needs NATS 2.11 or later.
 *
 * To understand the code, read `do`, then `#find`. `leases.ts` has the calls to NATS.
 *
 * Next: [redis_cache.ts](../recipes/redis_cache.ts) shares a cache among processes, without a lock.
 */

import type { NatsConnection } from "@nats-io/nats-core";
import { setTimeout as sleep } from "node:timers/promises";
// In your project: from "@weir/streams".
import { type FlightCallOptions, Singleflight } from "../../mod.ts";
import { encodeKey, Leases } from "./leases.ts";

/** Options of {@linkcode DistributedSingleflight.open}. */
export interface DistributedSingleflightOptions {
  /** The bucket of NATS KV: letters, digits, `_` and `-`. `open` makes it if it doesn't exist. */
  bucket: string;
  /**
   * How long a key stays with a process that doesn't renew it, in whole seconds, at least 1. If a process
   * dies, its keys wait that long. If a process blocks its thread for longer, it loses its keys.
   *
   * @default {2}
   */
  lease?: number | undefined;
  /**
   * How long a result stays, in whole seconds, at least 1. A call within that time gets the result
   * without an execution.
   *
   * @default {10}
   */
  keep?: number | undefined;
}

/** Your function gets this. */
interface Execution {
  /**
   * The fencing token. It is greater than the token of each earlier execution of the key. Send it with each
   * write to another system, and have that system refuse a token that is smaller than the last one.
   */
  readonly revision: number;
  /** Aborts when the lease is lost, or when the last caller of this process has left. */
  readonly signal: AbortSignal;
}

/** Your function. */
export type Execute<V> = (execution: Execution) => V | PromiseLike<V>;

/**
 * Concurrent calls with one key share one result, in all processes that use the bucket.
 *
 * - **One result**: every caller gets the same one, which is stored as JSON.
 * - **One execution** is normal, but not guaranteed. A process that is blocked for longer than its lease
 *   runs on beside its successor, and the server refuses its result. If your function writes to another
 *   system, use the `revision` there.
 * - **A process that dies**: another one takes over when the lease ends.
 * - **Errors** of your function reject the callers of its process. Then the key is free, and another
 *   process that waits runs its function.
 * - **A caller's signal** rejects that caller alone.
 */
export class DistributedSingleflight<V> {
  readonly #leases: Leases;
  readonly #lease: number;
  readonly #keep: number;
  readonly #local = new Singleflight<string, V>();

  private constructor(leases: Leases, lease: number, keep: number) {
    this.#leases = leases;
    this.#lease = lease;
    this.#keep = keep;
  }

  /**
   * Opens the bucket.
   *
   * @returns Rejects with a `TypeError` or a `RangeError` if an option is wrong, and with an `Error` if
   * the server is too old, or if the bucket has another configuration.
   */
  static async open<V>(
    connection: NatsConnection,
    { bucket, lease = 2, keep = 10 }: DistributedSingleflightOptions,
  ): Promise<DistributedSingleflight<V>> {
    checkSeconds("lease", lease);
    checkSeconds("keep", keep);
    return new DistributedSingleflight(await Leases.open(connection, bucket), lease, keep);
  }

  /**
   * Returns the result for this key: the stored one, the one of an execution in another process, or the one
   * of `fn`.
   *
   * @returns Rejects with the error of `fn` if that ran in this process, with the reason of the signal, or
   * with an error of the connection.
   */
  do(key: string, fn: Execute<V>, options?: FlightCallOptions): Promise<V> {
    return this.#local.do(key, ({ signal }) => this.#find(encodeKey(key), fn, signal), options);
  }

  /** Stops watching the bucket. Later calls, and those that wait, then look only once per lease. */
  close(): void {
    this.#leases.close();
  }

  async #find(name: string, fn: Execute<V>, signal: AbortSignal): Promise<V> {
    for (;;) {
      signal.throwIfAborted();
      const looked = new AbortController();
      // It listens before it looks, so that it misses no change.
      const change = this.#leases.change(name, looked.signal);
      try {
        const found = await this.#leases.look(name);
        if (typeof found === "object") return found.result.json<{ value: V }>().value;
        if (found === "leased") {
          // It also looks once per lease, because it may miss a change while the server restarts.
          const stop = AbortSignal.any([signal, looked.signal]);
          await Promise.race([change, sleep(this.#lease * 1000, undefined, { signal: stop })]);
          continue;
        }
        const revision = await this.#leases.take(name, this.#lease);
        if (revision !== undefined) await this.#execute(name, fn, revision, signal);
        // It looks again, and finds its own result, or the result of its successor.
      } finally {
        looked.abort();
      }
    }
  }

  async #execute(name: string, fn: Execute<V>, first: number, left: AbortSignal): Promise<void> {
    const lost = new AbortController();
    const over = new AbortController();
    const signal = AbortSignal.any([left, lost.signal]);
    const renewed = this.#renew(name, first, over.signal, lost);
    try {
      const value = await fn({ revision: first, signal });
      over.abort();
      await this.#leases.finish(name, await renewed, JSON.stringify({ value }), this.#keep);
    } catch (error) {
      over.abort();
      await this.#leases.release(name, await renewed);
      // If another process has the key, that one has the result or the error.
      if (!lost.signal.aborted) throw error;
    }
  }

  /** Renews the lease until the execution ends or the lease is lost. Resolves with the last revision. */
  async #renew(
    name: string,
    first: number,
    over: AbortSignal,
    lost: AbortController,
  ): Promise<number> {
    let revision = first;
    for (;;) {
      await sleep(this.#lease * 1000 / 3, undefined, { signal: over }).catch(() => {});
      if (over.aborted) return revision;
      // A renewal that failed is tried again. The lease is lost only if the server says so.
      const next = await this.#leases.renew(name, revision, this.#lease).catch(() => revision);
      if (next === undefined) {
        lost.abort(new Error(`The lease of ${name} is lost`));
        return revision;
      }
      revision = next;
    }
  }
}

function checkSeconds(option: string, value: unknown): void {
  if (Number.isSafeInteger(value) && (value as number) >= 1) return;
  const Wrong = typeof value === "number" ? RangeError : TypeError;
  const rule = `option "${option}" must be an integer of at least 1; got ${String(value)}`;
  throw new Wrong(`DistributedSingleflight: ${rule}`);
}
