/** What a handler gets besides its item. */
export interface HandlerContext {
  /**
   * Aborts when the work is no longer wanted: on abort, on failure, on a timeout, or when the last
   * caller has left. Each call has its own signal, which does not abort after the call has settled.
   * The signal is made when you read it for the first time: read it before the call settles.
   */
  readonly signal: AbortSignal;
}

/** What a handler of a sink gets besides its item or its batch. */
export interface SinkContext extends HandlerContext {
  /**
   * How often the handler has been called with the item or the batch, including this time: from 1.
   */
  readonly attempt: number;
  /** How long it has waited for this start, in milliseconds. Only with a `maxWait`. */
  readonly waited: number | undefined;
}

/** A context that makes its `AbortController` only when a handler reads `signal`. */
export class CallContext implements SinkContext {
  attempt = 1;
  waited: number | undefined;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  /**
   * Whether a handler may have its signal; then the next call gets a new context. Static, like
   * `abort`.
   */
  static isRead(context: CallContext): boolean {
    return context.#controller !== undefined;
  }

  /** Static, so that a handler doesn't get the means to abort. */
  static abort(context: CallContext, reason: unknown): void {
    context.#aborted = { reason };
    context.#controller?.abort(reason);
  }
}
