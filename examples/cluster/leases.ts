/** Keys in NATS KV that a process takes for a while: all that `distributed_singleflight.ts` asks of NATS. */

import { jetstream, JetStreamApiError, type JetStreamClient } from "@nats-io/jetstream";
import { type KV, type KvEntry, Kvm, type KvStatus } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/nats-core";

/** A key has a lease, which is an empty message, or a result. */
const LEASE = new Uint8Array();
/** How long the server keeps the marker of a key that has expired, in milliseconds. */
const MARKER_TTL = 1000;
/** The server's error code where another process was first. */
const TAKEN = 10071;

/** A bucket whose keys expire. All times are in whole seconds: the server knows no others. */
export class Leases {
  readonly #js: JetStreamClient;
  readonly #kv: KV;
  readonly #bucket: string;
  readonly #watch: Awaited<ReturnType<KV["watch"]>>;
  /** Has an event for each key that got its result, was given up or has expired. */
  readonly #changes = new EventTarget();

  private constructor(
    js: JetStreamClient,
    kv: KV,
    bucket: string,
    watch: Awaited<ReturnType<KV["watch"]>>,
  ) {
    this.#js = js;
    this.#kv = kv;
    this.#bucket = bucket;
    this.#watch = watch;
  }

  /** Makes the bucket, or takes the one that is there. Rejects if that or the server won't do. */
  static async open(connection: NatsConnection, bucket: string): Promise<Leases> {
    const js = jetstream(connection);
    const kv = await new Kvm(js).create(bucket, {
      markerTTL: MARKER_TTL,
      history: 1,
      // A direct read may be older than what another process has written.
      allow_direct: false,
    });
    // The client takes a bucket as it is, and an old server ignores what it does not know.
    checkBucket(await kv.status(), connection.info?.version);
    const watch = await kv.watch({ include: "updates", headers_only: true });
    const leases = new Leases(js, kv, bucket, watch);
    // It ends with the connection, and whatever is asked of that rejects.
    leases.#listen().catch(() => {});
    return leases;
  }

  /** Stops watching. */
  close(): void {
    this.#watch.stop();
  }

  /** Who has a key: nobody, the holder of a lease, or nobody any more, because there is a result. */
  async look(key: string): Promise<"free" | "leased" | { readonly result: KvEntry }> {
    const entry = await this.#kv.get(key);
    if (entry?.operation !== "PUT") return "free";
    return entry.length === 0 ? "leased" : { result: entry };
  }

  /** The revision of a new lease; `undefined` if another process was first. */
  take(key: string, seconds: number): Promise<number | undefined> {
    return unlessTaken(this.#kv.create(key, LEASE, `${seconds}s`));
  }

  /** The revision of a lease that begins anew; `undefined` if it was lost. */
  renew(key: string, revision: number, seconds: number): Promise<number | undefined> {
    return this.#replace(key, LEASE, revision, seconds);
  }

  /** Puts a result in the place of a lease. Refused, with `undefined`, if the lease was lost. */
  finish(
    key: string,
    revision: number,
    result: string,
    seconds: number,
  ): Promise<number | undefined> {
    return this.#replace(key, result, revision, seconds);
  }

  /** Gives a lease up. Where that fails, the key is free when the lease ends. */
  async release(key: string, revision: number): Promise<void> {
    await this.#kv.purge(key, { previousSeq: revision, ttl: "1s" }).catch(() => {});
  }

  /** Resolves when a key gets its result, is given up or expires. */
  change(key: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#changes.addEventListener(key, () => resolve(), { once: true, signal });
    });
  }

  // `update` and `put` of the client would drop the time to live.
  async #replace(
    key: string,
    data: Uint8Array | string,
    revision: number,
    seconds: number,
  ): Promise<number | undefined> {
    const published = this.#js.publish(`$KV.${this.#bucket}.${key}`, data, {
      ttl: `${seconds}s`,
      expect: { lastSubjectSequence: revision },
    });
    return (await unlessTaken(published))?.seq;
  }

  async #listen(): Promise<void> {
    for await (const { key, operation, length } of this.#watch) {
      // A lease that was taken or renewed is nothing that anybody waits for.
      if (operation === "PUT" && length === 0) continue;
      // An expired key comes as `PURGE`.
      this.#changes.dispatchEvent(new Event(key));
    }
  }
}

async function unlessTaken<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === TAKEN) return undefined;
    throw error;
  }
}

/** Any string as a key: NATS KV takes `[-/=.\w]` only, and a `.` has a meaning there. */
export function encodeKey(key: string): string {
  if (key === "") return "=";
  const escape = (character: string) => `=${character.charCodeAt(0).toString(16)}`;
  return encodeURIComponent(key).replaceAll(/[^\w%-]/g, escape).replaceAll("%", "=");
}

/** Throws unless the bucket is as `open` makes it, on a server that lets keys expire. */
export function checkBucket(
  { bucket, markerTTL, history, ttl }: Pick<KvStatus, "bucket" | "markerTTL" | "history" | "ttl">,
  version: string | undefined,
): void {
  const [major = 0, minor = 0] = (version ?? "").split(".").map(Number);
  // It takes the option and ignores it: no lease would ever end.
  if (!(markerTTL > 0) && !(major > 2 || major === 2 && minor >= 11)) {
    throw new Error(`Leases need NATS 2.11 or later; this server is ${version}`);
  }
  const rules = [["markerTTL", markerTTL, MARKER_TTL], ["history", history, 1], ["ttl", ttl, 0]];
  for (const [option, value, needed] of rules) {
    if (value === needed) continue;
    throw new Error(`Bucket "${bucket}" has ${option} ${value} and needs ${needed}`);
  }
}
