/** What a handler is given beside its item. */
export interface HandlerContext {
  /**
   * Aborts when the work is no longer wanted: on abort, on failure, on a timeout, or when the last
   * caller has left. Each call has its own, and it does not abort after the call has settled. It is made
   * when it is read for the first time: read it before the call settles.
   */
  readonly signal: AbortSignal;
}

/** What a handler of a sink is given beside its item, or its batch. */
export interface SinkContext extends HandlerContext {
  /** How often the item, or the batch, has been given to the handler, this time included: from 1. */
  readonly attempt: number;
  /** How long it has waited for this start, in milliseconds; only where there is a `maxWait`. */
  readonly waited: number | undefined;
}

/** A context whose `AbortController` is made only when somebody reads `signal`. */
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

  /** Whether somebody may have its signal: the next call gets another one. Static as `abort` is. */
  static isRead(context: CallContext): boolean {
    return context.#controller !== undefined;
  }

  /** Static, so that a handler is not handed the means to abort. */
  static abort(context: CallContext, reason: unknown): void {
    context.#aborted = { reason };
    context.#controller?.abort(reason);
  }
}
