/** Helpers for the tests of Node's streams: sources, destinations, and the outcome of each. */

import {
  Duplex,
  type DuplexOptions,
  Readable,
  type ReadableOptions,
  Writable,
  type WritableOptions,
} from "node:stream";
import { pipeline } from "node:stream/promises";
import { readFileSync } from "node:fs";
import { turn } from "../support/gate.ts";
import { here, type HostName } from "../support/host.ts";

/** The error of each part, and the reason of each abort. */
export const errors: Readonly<
  Record<"source" | "stage" | "handler" | "writable" | "reason", Error>
> = {
  source: new Error("the source's error"),
  stage: new Error("the stage's error"),
  handler: new Error("the handler's error"),
  writable: new Error("the `Writable`'s error"),
  reason: new Error("the reason"),
};

/** Whether this runtime is one of those. */
export function among(...hosts: readonly HostName[]): boolean {
  return here !== undefined && hosts.includes(here);
}

/** An item on which the stage fails, and one on which the handler or the `Writable` fails. */
export const BAD_FOR_STAGE = -1;
export const BAD_FOR_END = -2;

/**
 * The types of Deno and Node use different web stream types. These functions take ours, as in
 * JavaScript.
 */
export const web: {
  readonly pipeline: (...parts: unknown[]) => Promise<unknown>;
  readonly toReadable: (stream: ReadableStream<unknown>, options?: ReadableOptions) => Readable;
  readonly toWritable: (stream: WritableStream, options?: WritableOptions) => Writable;
  readonly toDuplex: (pair: TransformStream, options?: DuplexOptions) => Duplex;
  readonly ofDuplex: (duplex: Duplex) => ReadableWritablePair<never, unknown>;
} = {
  pipeline: pipeline as never,
  toReadable: Readable.fromWeb as never,
  toWritable: Writable.fromWeb as never,
  toDuplex: Duplex.fromWeb as never,
  ofDuplex: Duplex.toWeb as never,
};

/** The function of the stage in each pipeline. */
export function stage(item: number): number {
  if (item === BAD_FOR_STAGE) throw errors.stage;
  return item;
}

/** An error as the tables of docs/node-streams.md name it. */
export function told(error: unknown): string {
  const known = Object.values(errors).find((each) => each === error);
  if (known) return known.message;
  const { name, code } = error as { name?: string; code?: string };
  if (code === "ERR_STREAM_PREMATURE_CLOSE") return `\`${code}\``;
  return name === "AbortError" ? "an `AbortError`" : String(error);
}

/** A promise whose state you can read at any time. A rejection counts as handled. */
export class Watched {
  /** Its outcome; `undefined` while it is pending. */
  state: string | undefined;
  readonly settled: Promise<string>;

  constructor(promise: PromiseLike<unknown>) {
    this.settled = Promise.resolve(promise).then(
      () => this.state = "fulfills",
      (error) => this.state = `rejects with ${told(error)}`,
    );
  }
}

/**
 * Enough turns for everything that needs no other event. A promise that is still pending then waits
 * for one.
 */
export async function quiet(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn();
}

/** A `Readable` of objects, which the test pushes. */
export function pushed(): Readable {
  return new Readable({ objectMode: true, highWaterMark: 2, read() {} });
}

/** A `Writable` of objects that fails on one item. */
export function written(): { readonly writable: Writable; readonly items: unknown[] } {
  const items: unknown[] = [];
  const writable = new Writable({
    objectMode: true,
    highWaterMark: 2,
    write(item, _, done) {
      items.push(item);
      done(item === BAD_FOR_END ? errors.writable : null);
    },
  });
  return { writable, items };
}

/** A source that the test controls. */
export interface Source {
  give(item: number): void;
  end(): void;
  fail(error: Error): void;
  /** How it has ended; `undefined` while it is open. */
  readonly fate: "ended" | "failed" | "left" | undefined;
}

/** A `Readable` as a source. */
export class Pushed implements Source {
  readonly readable: Readable = pushed();
  #fate: "ended" | "failed" | undefined;

  get fate(): Source["fate"] {
    return this.#fate ?? (this.readable.destroyed ? "left" : undefined);
  }

  give(item: number): void {
    this.readable.push(item);
  }

  end(): void {
    this.#fate = "ended";
    this.readable.push(null);
  }

  fail(error: Error): void {
    this.#fate = "failed";
    this.readable.destroy(error);
  }
}

/** An asynchronous iterable as a source. A reader leaves it by its `return`. */
export class Tap implements Source, AsyncIterableIterator<number> {
  fate: Source["fate"];
  #steps: Array<Promise<IteratorResult<number>>> = [];
  #waiting: Array<(step: Promise<IteratorResult<number>>) => void> = [];

  give(item: number): void {
    this.#step(Promise.resolve({ done: false, value: item }));
  }

  end(): void {
    this.fate = "ended";
    this.#step(Promise.resolve({ done: true, value: undefined }));
  }

  fail(error: Error): void {
    this.fate = "failed";
    const failed = Promise.reject(error);
    failed.catch(() => {});
    this.#step(failed);
  }

  next(): Promise<IteratorResult<number>> {
    const step = this.#steps.shift();
    return step ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<number>> {
    this.fate ??= "left";
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #step(step: Promise<IteratorResult<number>>): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(step);
    else this.#steps.push(step);
  }
}

/** The table rows of the page, with single spaces, each with its heading. */
const documented = new Set<string>();
let heading = "";
for (const line of readFileSync("docs/node-streams.md", "utf8").split("\n")) {
  if (line.startsWith("#")) heading = line.replace(/^#+ /, "");
  else if (line.startsWith("|")) documented.add(heading + line.replace(/ +/g, " "));
}

/** Whether docs/node-streams.md has this row under a heading. */
export function isDocumented(heading: string, cells: readonly string[]): boolean {
  return documented.has(`${heading}| ${cells.join(" | ")} |`);
}
