/**
 * The types of Cloudflare Workers that the examples use. In your project they come from
 * `@cloudflare/workers-types`, or from `wrangler types`.
 */

/** The context of an event. */
export interface ExecutionContext {
  /** Keeps the work of this event running until `promise` has settled, even when its client has left. */
  waitUntil(promise: Promise<unknown>): void;
}

/** A Durable Object gets this in its constructor. */
export interface DurableObjectState {
  readonly storage: DurableObjectStorage;
}

/** The storage of a Durable Object with SQLite. */
export interface DurableObjectStorage {
  readonly sql: {
    exec<T extends Record<string, string | number | ArrayBuffer | null>>(
      query: string,
      ...bindings: (string | number)[]
    ): { toArray(): T[] };
  };
  transactionSync<T>(transaction: () => T): T;
}

/** The Durable Objects of a class. */
export interface DurableObjectNamespace<Id = unknown> {
  idFromName(name: string): Id;
  get(id: Id): { fetch(request: Request): Promise<Response> };
}
