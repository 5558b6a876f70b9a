import type { CallContext, SinkContext } from "../shared/call_context.ts";
import { Deferred } from "../shared/promises.ts";
import { type Abortable, offAbort, onAbort } from "../shared/signals.ts";
import type { Result } from "./job.ts";

/** The sink in which a caller waits, and which it can leave. */
export interface CallerHost {
  leave(caller: Caller): void;
}

/**
 * A caller that waits for room or for a result, and may leave. It is used instead of a plain
 * `Deferred`.
 */
export class Caller implements Result, Abortable {
  readonly #host: CallerHost;
  #signal: AbortSignal | undefined;
  readonly #settled = new Deferred<unknown>();
  /** An object, because the reason may be any value. */
  left: { readonly reason: unknown } | undefined;
  /**
   * The entry that waits for room or for a worker, to be taken out; or the context of the running
   * handler, to be aborted.
   */
  entry: unknown;
  context: CallContext | undefined;

  constructor(host: CallerHost, signal: AbortSignal) {
    this.#host = host;
    this.#signal = signal;
  }

  get promise(): Promise<unknown> {
    return this.#settled.promise;
  }

  /** From now on the caller may leave. It leaves at once if its signal has aborted meanwhile. */
  listen(): void {
    onAbort(this.#signal, this);
  }

  enter(entry: unknown): void {
    this.entry = entry;
    this.context = undefined;
  }

  run(context: SinkContext): void {
    this.entry = undefined;
    this.context = context as CallContext;
  }

  resolve(value: unknown): void {
    this.#end();
    this.#settled.resolve(value);
  }

  reject(reason: unknown): void {
    this.#end();
    this.#settled.reject(reason);
  }

  /** The caller leaves. */
  error(reason: unknown): void {
    this.left = { reason };
    this.#settled.reject(reason);
    this.#host.leave(this);
    this.#end();
  }

  #end(): void {
    offAbort(this.#signal, this);
    this.#signal = this.entry = this.context = undefined;
  }
}
