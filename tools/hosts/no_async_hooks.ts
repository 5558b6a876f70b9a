/** What stands for `node:async_hooks` where there is none. */

/** The web has none. */
export const AsyncLocalStorage = undefined;
