import { openOutlet, type Outlet } from "./pipe.ts";
import { type Filler, iterable } from "./stage_iterator.ts";

/** Has a stream be iterated, and piped to others of ours, past itself. For those that pass many chunks. */
export function shortWays<R>(readable: ReadableStream<R>, inside: Filler<R> & Outlet<R>): void {
  iterable(readable, inside);
  openOutlet(readable, inside);
}
