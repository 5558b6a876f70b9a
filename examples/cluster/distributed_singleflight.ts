/**
 * The need: many processes ask for the same thing at once, and one of them should do the work.
 * `Singleflight` does that within a process. This does it among processes, with NATS KV behind it.
 *
 * It needs NATS 2.11 or later. Read `do`, then `#find`; `leases.ts` has what is asked of NATS.
 */

import type { NatsConnection } from "@nats-io/nats-core";
import { setTimeout as sleep } from "node:timers/promises";
// In a project of yours: from "@weir/streams".
import { type FlightCallOptions, Singleflight } from "../../mod.ts";
import { encodeKey, Leases } from "./leases.ts";

/** Options of {@linkcode DistributedSingleflight.open}. */
export interface DistributedSingleflightOptions {
  /** The bucket of NATS KV: letters, digits, `_` and `-`. `open` makes it if there is none. */
  bucket: string;
  /**
   * How long a key stays with a process that gives no sign of life, in whole seconds, at least 1. If a
   * process dies, its keys wait for so long. If a process blocks its thread for longer, it loses them.
   *
   * @default {2}
   */
  lease?: number | undefined;
  /**
   * How long a result stays, in whole seconds, at least 1. A call within that time gets it without an
   * execution.
   *
   * @default {10}
   */
  keep?: number | undefined;
}

/** What your function gets. */
interface Execution {
  /**
   * The fencing token. It is greater than that of each earlier execution of the key. Send it along with
   * what you write elsewhere, and have the other side refuse a smaller one than the last it saw.
   */
  readonly revision: number;
  /** Aborts when the lease is lost, and when the last caller of this process has left. */
  readonly signal: AbortSignal;
}

/** A function of yours that is executed. */
export type Execute<V> = (execution: Execution) => V | PromiseLike<V>;

/**
 * Concurrent calls with one key share one result, in all processes that use the bucket.
 *
 * - **One result** of a key is stored, as JSON, and every caller gets that one.
 * - **One execution** is the rule, and not guaranteed: a process that is blocked for longer than its
 *   lease runs on beside its successor. Its result is refused. If your function writes elsewhere, use
 *   the `revision` there.
 * - **A process that dies** is replaced when its lease ends.
 * - **Errors** of your function reject the callers of its process. The key is free then, and a process
 *   that waits executes its own function.
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
   * the server is too old or the bucket has another configuration.
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
   * The result for this key: one that is stored, that of an execution in any process, or that of `fn`.
   *
   * @returns Rejects with the very error of `fn` if that ran in this process, with the reason of the
   * signal, or with an error of the connection.
   */
  do(key: string, fn: Execute<V>, options?: FlightCallOptions): Promise<V> {
    return this.#local.do(key, ({ signal }) => this.#find(encodeKey(key), fn, signal), options);
  }

  /** Calls after this, and those that wait, hear of results only once a lease. */
  close(): void {
    this.#leases.close();
  }

  async #find(name: string, fn: Execute<V>, signal: AbortSignal): Promise<V> {
    for (;;) {
      signal.throwIfAborted();
      const looked = new AbortController();
      // Before the look, so that it hears of all that comes after.
      const change = this.#leases.change(name, looked.signal);
      try {
        const found = await this.#leases.look(name);
        if (typeof found === "object") return found.result.json<{ value: V }>().value;
        if (found === "leased") {
          // Once a lease it looks anyhow: a change may go unheard while the server restarts.
          const stop = AbortSignal.any([signal, looked.signal]);
          await Promise.race([change, sleep(this.#lease * 1000, undefined, { signal: stop })]);
          continue;
        }
        const revision = await this.#leases.take(name, this.#lease);
        if (revision !== undefined) await this.#execute(name, fn, revision, signal);
        // Looks again: it gets its own result as all the others do, or that of its successor.
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
      // Not a failure where another process has the key: that one has a result, or an error.
      if (!lost.signal.aborted) throw error;
    }
  }

  /** Keeps the lease until it is over or lost, and resolves with its last revision. */
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
      // What failed is tried again: the lease is lost only if the server says so.
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
