/** What a handler is given beside its item. */
export interface HandlerContext {
  /**
   * Aborts when the work is no longer wanted: on abort, on failure, on a timeout, or when the last
   * caller has left. Without a `timeout` a sink's worker has one signal for all its calls, so it may
   * abort after a call has settled: remove listeners, and do not tie to it what outlives the call.
   */
  readonly signal: AbortSignal;
}

/** A context whose `AbortController` is made only when somebody reads `signal`. */
export class CallContext implements HandlerContext {
  #controller: AbortController | undefined;
  #aborted = false;
  #reason: unknown;

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Static, so that a handler is not handed the means to abort. */
  static abort(context: CallContext, reason: unknown): void {
    context.#aborted = true;
    context.#reason = reason;
    context.#controller?.abort(reason);
  }
}
