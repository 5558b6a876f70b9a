/** What a handler is given beside its item. */
export interface HandlerContext {
  /**
   * Aborts when the work is no longer wanted: on abort, on failure, on a timeout, or when the last
   * caller has left. Each call has its own, and it does not abort after the call has settled. It is made
   * when it is read for the first time: read it before the call settles.
   */
  readonly signal: AbortSignal;
}

/** A context whose `AbortController` is made only when somebody reads `signal`. */
export class CallContext implements HandlerContext {
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  /** That of the next call: another one, if somebody has this signal. */
  static next(context: CallContext): CallContext {
    return context.#controller ? new CallContext() : context;
  }

  /** Static, so that a handler is not handed the means to abort. */
  static abort(context: CallContext, reason: unknown): void {
    context.#aborted = { reason };
    context.#controller?.abort(reason);
  }
}
