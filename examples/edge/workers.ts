/**
 * What the examples need of the types of Cloudflare Workers. In a project of yours they come from
 * `@cloudflare/workers-types`, or from `wrangler types`.
 */

/** What goes along with an event. */
export interface ExecutionContext {
  /** Keeps what this event has begun running until `promise` has settled, also without its client. */
  waitUntil(promise: Promise<unknown>): void;
}

/** What a Durable Object is constructed with. */
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

/** The objects of a class. */
export interface DurableObjectNamespace<Id = unknown> {
  idFromName(name: string): Id;
  get(id: Id): { fetch(request: Request): Promise<Response> };
}
