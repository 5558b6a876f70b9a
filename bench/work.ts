/** What a handler waits for: nothing, 50 microseconds, 5 milliseconds. */

import { setImmediate } from "node:timers";

const DONE = Promise.resolve();
const MICROS = 0.05;
const MILLIS = 5;

interface Waiting {
  readonly due: number;
  readonly done: () => void;
}

const waiting: Waiting[] = [];

/** No work at all: a promise that has already resolved. */
export function none(): Promise<void> {
  return DONE;
}

/** 50 microseconds, for which there is no timer: the event loop turns until they are over. */
export function micros(): Promise<void> {
  return new Promise((done) => {
    waiting.push({ due: performance.now() + MICROS, done });
    if (waiting.length === 1) setImmediate(turn);
  });
}

/** 5 milliseconds. */
export function millis(): Promise<void> {
  return new Promise((done) => setTimeout(done, MILLIS));
}

/** A turn of the event loop. */
export function immediate(): Promise<void> {
  return new Promise((done) => setImmediate(done));
}

function turn(): void {
  const now = performance.now();
  const later = waiting.findIndex(({ due }) => due > now);
  const over = waiting.splice(0, later < 0 ? waiting.length : later);
  // Before anybody is told, who may come back at once.
  if (waiting.length > 0) setImmediate(turn);
  for (const { done } of over) done();
}
