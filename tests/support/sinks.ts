/** Both sinks as one table, so that a test runs on each of them. */

import { Aggregator, Fanout, type SinkOptions } from "../../mod.ts";

/** The handler of an item. */
export type Handler = (item: number, context: { readonly signal: AbortSignal }) => unknown;
/** Options with the same meaning for both. */
export type Options = SinkOptions<number> & {
  readonly capacity?: number;
  readonly onError?: (error: unknown) => unknown;
};
/** One of the sinks. */
export type Sink = Fanout<number> | Aggregator<number>;

/** Both sinks, with batches of one: a handler gets one item and returns its result. */
export const sinks: Record<string, (handler: Handler, options?: Options) => Sink> = {
  Fanout: (handler, options) => new Fanout(handler, options),
  Aggregator(handler, options) {
    const handle = ([item]: number[], context: { readonly signal: AbortSignal }) => {
      const result = handler(item!, context);
      return isThenable(result) ? new Wrapped(result) : [result];
    };
    return new Aggregator(handle, { maxItems: 1, linger: Infinity, ...options });
  },
};

/** A function that settles a promise. */
export type Settle = (value: unknown) => void;

function isThenable(value: unknown): value is { readonly then: (...settle: Settle[]) => unknown } {
  return typeof value === "object" && value !== null && "then" in value;
}

/** A thenable that behaves the same, with its value in an array. */
class Wrapped {
  readonly then: unknown;

  constructor(inner: object) {
    Object.defineProperty(this, "then", {
      get: () => {
        const { then } = inner as { then: (...settle: Settle[]) => unknown };
        return (yes: Settle, no: Settle) => then.call(inner, (value) => yes([value]), no);
      },
    });
  }
}

/** A handler that never settles. */
export function hang(): Promise<never> {
  return new Promise(() => {});
}

/** A function that throws. */
export function thrower(error: unknown): () => never {
  return () => {
    throw error;
  };
}

/** Values to throw. */
export const reasons: readonly unknown[] = [
  ...[new Error("own"), undefined, null, 0, "", "text", Object.freeze({})],
];
