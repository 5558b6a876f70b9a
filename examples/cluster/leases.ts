/** Leases in NATS KV: a process takes a key for a while. `distributed_singleflight.ts` uses this. */

import { jetstream, JetStreamApiError, type JetStreamClient } from "@nats-io/jetstream";
import { type KV, type KvEntry, Kvm, type KvStatus } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/nats-core";

/** The value of a key is a lease, which is an empty message, or a result. */
const LEASE = new Uint8Array();
/** How long the server keeps the marker of an expired key, in milliseconds. */
const MARKER_TTL = 1000;
/** The error code of the server if another process was first. */
const TAKEN = 10071;

/** A bucket whose keys expire. All times are whole seconds, because the server takes no others. */
export class Leases {
  readonly #js: JetStreamClient;
  readonly #kv: KV;
  readonly #bucket: string;
  readonly #watch: Awaited<ReturnType<KV["watch"]>>;
  /** Has an event for each key that gets its result, is released, or expires. */
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

  /** Makes the bucket, or opens the existing one. Rejects if the bucket or the server isn't suitable. */
  static async open(connection: NatsConnection, bucket: string): Promise<Leases> {
    const js = jetstream(connection);
    const kv = await new Kvm(js).create(bucket, {
      markerTTL: MARKER_TTL,
      history: 1,
      // A direct read may give an old value.
      allow_direct: false,
    });
    // The client doesn't check an existing bucket, and an old server ignores unknown options.
    checkBucket(await kv.status(), connection.info?.version);
    const watch = await kv.watch({ include: "updates", headers_only: true });
    const leases = new Leases(js, kv, bucket, watch);
    // It ends with the connection, and then all calls reject.
    leases.#listen().catch(() => {});
    return leases;
  }

  /** Stops watching. */
  close(): void {
    this.#watch.stop();
  }

  /** Returns the state of a key: free, leased, or its result. */
  async look(key: string): Promise<"free" | "leased" | { readonly result: KvEntry }> {
    const entry = await this.#kv.get(key);
    if (entry?.operation !== "PUT") return "free";
    return entry.length === 0 ? "leased" : { result: entry };
  }

  /** Takes a key. Returns the revision of the lease, or `undefined` if another process was first. */
  take(key: string, seconds: number): Promise<number | undefined> {
    return unlessTaken(this.#kv.create(key, LEASE, `${seconds}s`));
  }

  /** Renews a lease. Returns its new revision, or `undefined` if it was lost. */
  renew(key: string, revision: number, seconds: number): Promise<number | undefined> {
    return this.#replace(key, LEASE, revision, seconds);
  }

  /** Replaces a lease with a result. Returns `undefined` if the lease was lost, and the server refused it. */
  finish(
    key: string,
    revision: number,
    result: string,
    seconds: number,
  ): Promise<number | undefined> {
    return this.#replace(key, result, revision, seconds);
  }

  /** Releases a lease. If that fails, the key is free when the lease ends. */
  async release(key: string, revision: number): Promise<void> {
    await this.#kv.purge(key, { previousSeq: revision, ttl: "1s" }).catch(() => {});
  }

  /** Resolves when a key gets its result, is released, or expires. */
  change(key: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#changes.addEventListener(key, () => resolve(), { once: true, signal });
    });
  }

  // `update` and `put` of the client would remove the time to live.
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
      // No process waits for a lease that was taken or renewed.
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

/** Encodes a string as a key. NATS KV takes only `[-/=.\w]`, and `.` has a meaning there. */
export function encodeKey(key: string): string {
  if (key === "") return "=";
  const escape = (character: string) => `=${character.charCodeAt(0).toString(16)}`;
  return encodeURIComponent(key).replaceAll(/[^\w%-]/g, escape).replaceAll("%", "=");
}

/** Throws if the bucket is not as `open` makes it, or if the server can't let keys expire. */
export function checkBucket(
  { bucket, markerTTL, history, ttl }: Pick<KvStatus, "bucket" | "markerTTL" | "history" | "ttl">,
  version: string | undefined,
): void {
  const [major = 0, minor = 0] = (version ?? "").split(".").map(Number);
  // An old server ignores the option, and a lease would never end.
  if (!(markerTTL > 0) && !(major > 2 || major === 2 && minor >= 11)) {
    throw new Error(`Leases need NATS 2.11 or later; this server is ${version}`);
  }
  const rules = [["markerTTL", markerTTL, MARKER_TTL], ["history", history, 1], ["ttl", ttl, 0]];
  for (const [option, value, needed] of rules) {
    if (value === needed) continue;
    throw new Error(`Bucket "${bucket}" has ${option} ${value} and needs ${needed}`);
  }
}
