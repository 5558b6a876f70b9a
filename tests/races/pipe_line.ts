/**
 * A pipeline of ours and everything that is visible of it, to compare with another one of the same
 * setup.
 */

import {
  Aggregator,
  BatchStream,
  ChunkStream,
  Fanout,
  FixedChunkStream,
  MapStream,
  type Sink,
  type Source,
  ThrottleStream,
} from "../../mod.ts";
import { type Gate, gate } from "../support/gate.ts";
import { HandSource, type SourceKind } from "./hand_source.ts";

/** How two parts are joined. */
export interface Piping {
  to(source: ReadableStream, sink: WritableStream, options?: StreamPipeOptions): Promise<void>;
  through(source: ReadableStream, pair: ReadableWritablePair, options?: StreamPipeOptions): void;
}

/** One transform. */
export type Part =
  | { readonly kind: "batch"; readonly maxItems: number; readonly linger: number }
  | { readonly kind: "chunk"; readonly maxBytes: number; readonly linger: number }
  | {
    readonly kind: "map";
    readonly how: How;
    readonly concurrency: number;
    readonly ordered: boolean;
    readonly skips: boolean;
  }
  | { readonly kind: "throttle"; readonly edge: "leading" | "trailing" | "both" }
  | { readonly kind: "fixed"; readonly size: number };

/** The results of functions: values, promises, or a mix. */
export type How = "sync" | "async" | "mixed";

/** The setup of a pipeline. */
export interface LineSetup {
  readonly front: "writer" | SourceKind;
  readonly parts: readonly Part[];
  readonly sink: "fanout" | "aggregator" | "none";
  readonly how: How;
  readonly concurrency: number;
  readonly capacity: number;
  readonly linger: number;
  readonly skips: boolean;
  /** Of each pipe. */
  readonly prevents: readonly ("preventAbort" | "preventCancel" | "preventClose")[];
  readonly signalled: boolean;
  /** Whether to use `pipeThrough`, if possible. */
  readonly through: boolean;
  /**
   * Whether functions act at once, while everything moves, and not only when that has come to rest.
   */
  readonly rash: boolean;
  /** Steps before the pipes begin, in the same turn. */
  readonly before: readonly LineStep[];
}

/** The action of a function when it gets a certain item. */
export type Deed = "throw" | LineStep;

/** The steps. */
export type LineStep =
  | {
    readonly do: "write";
    readonly count: number;
    /** The receiver of the first of these items acts. */
    readonly deed?: { readonly by: "map" | "handler" | "discard"; readonly what: Deed } | undefined;
  }
  /** A running call of any function, in order. */
  | { readonly do: "settle"; readonly at: number; readonly fails: boolean }
  | {
    readonly do: "end part" | "end pipe" | "write to part" | "close part" | "lock part";
    readonly at: number;
  }
  | { readonly do: "read at"; readonly at: number }
  | {
    readonly do:
      | ("close" | "abort" | "read" | "unlock" | "cancel" | "end sink")
      | ("push" | "flush" | "pause" | "close sink" | "abort sink" | "pipe again" | "pipe");
  };

/** Everything that is visible of a pipeline. */
export interface LineView {
  /** The state of each promise. */
  readonly outcomes: Readonly<Record<string, string>>;
  /** What each place was given, and did. */
  readonly seen: Readonly<Record<string, readonly string[]>>;
}

interface Joint {
  readonly name: string;
  readonly source: ReadableStream;
  readonly sink: WritableStream;
  over: boolean;
  failed: boolean;
}

interface Call extends Gate<unknown> {
  readonly name: string;
  readonly value: unknown;
}

const MOST_READS = 3;
const ABOVE: ReadonlySet<string> = new Set([
  ...["settle", "write", "close", "abort", "read at", "write to part", "close part", "lock part"],
]);
const nothing = () => {};

/** A new pipeline. */
export class Line {
  readonly #setup: LineSetup;
  readonly #piping: Piping;
  /** Of each pipe. */
  readonly #pipes = [0, 1, 2].map(() => new AbortController());
  readonly #ownSink = new AbortController();
  readonly #own: AbortController[] = [];
  readonly #parts: TransformStream[] = [];
  readonly #sides: ReadableStream[] = [];
  readonly #joints: Joint[] = [];
  readonly #source: HandSource<Uint8Array<ArrayBuffer>> | undefined;
  readonly #writer: WritableStreamDefaultWriter<unknown> | undefined;
  readonly #sink: Sink<unknown> | undefined;
  #reader: ReadableStreamDefaultReader<unknown> | undefined;
  #reads = 0;
  #made = 0;
  #piped = false;
  #counts: Record<string, number> = {};
  readonly #deeds = new Map<number, { readonly by: string; readonly what: Deed }>();
  readonly #calls: Call[] = [];
  /** Postponed actions, by item. */
  readonly #later = new Map<number, LineStep>();
  /** What each place was given, and did. */
  readonly #seen: Record<string, string[]> = {};
  readonly #outcomes: Record<string, string> = {};

  constructor(setup: LineSetup, piping: Piping) {
    this.#setup = setup;
    this.#piping = piping;
    const { front, parts, sink } = setup;
    for (const [at, part] of parts.entries()) {
      this.#own.push(new AbortController());
      if (at === 0 && front !== "writer") {
        this.#source = new HandSource(front, {});
        this.#sides.push(this.#from(part, this.#source.source));
      } else {
        const made = this.#make(part, at);
        this.#parts[at] = made;
        this.#sides.push(made.readable);
        if (at > 0) this.#join(at - 1, made.writable);
      }
    }
    if (sink !== "none") {
      this.#sink = this.#open(sink);
      this.#join(parts.length - 1, this.#sink);
    }
    if (front === "writer") {
      this.#writer = this.#parts[0]!.writable.getWriter();
      this.#track("writer closed", () => this.#writer!.closed);
      this.#writer.ready.catch(nothing);
    }
    for (const step of setup.before) this.do(step);
  }

  /** Whether nothing can settle any more. */
  get calls(): number {
    return this.#calls.length;
  }

  /** Whether each pipe that has ended has released both sides. */
  get unlocked(): boolean {
    return this.#joints.every(({ over, source, sink }) =>
      !over || !(sink.locked || (source.locked && !this.#reader))
    );
  }

  /** Runs the postponed action of the first item, and returns whether there was one. */
  catchUp(): boolean {
    if (this.#later.size === 0) return false;
    const first = Math.min(...this.#later.keys());
    const step = this.#later.get(first)!;
    this.#later.delete(first);
    this.do(step);
    return true;
  }

  /** Everything that is visible of it. */
  get view(): LineView & object {
    const source = this.#source;
    const view = {
      outcomes: sorted(this.#outcomes),
      seen: sorted(this.#seen),
      calls: this.#calls.map(({ name, value }) => `${name} ${show(value)}`).sort(),
      locks: this.#joints.map(({ name, source, sink }) =>
        `${name} ${source.locked} ${sink.locked}`
      ),
      stats: [...this.#parts, this.#sink].map((each) => each && (each as Sink<unknown>).stats),
      source: source && this.#sourceView(source),
    };
    return view;
  }

  /** After the end of its pipe, a source may or may not have got a pull. */
  #sourceView(
    { cancelled, asked, ended }: Pick<HandSource<never>, "cancelled" | "asked" | "ended">,
  ): string {
    if (cancelled) return show([cancelled.reason]);
    return `${ended} ${!(this.#setup.through || this.#joints.some(({ over }) => over)) && asked}`;
  }

  do(step: LineStep): void {
    switch (step.do) {
      case "write":
        for (let n = 0; n < step.count; n++) this.#write(n === 0 ? step.deed : undefined);
        break;
      case "settle": {
        // By their places, because in one turn they start in another order if the pipe is quicker.
        const calls = [...this.#calls].sort((one, other) => one.name < other.name ? -1 : 1);
        const call = calls[step.at % calls.length];
        if (!call) break;
        this.#calls.splice(this.#calls.indexOf(call), 1);
        if (step.fails) call.reject(`failed ${show(call.value)}`);
        else call.resolve(call.value);
        break;
      }
      case "close":
        if (this.#source) this.#source.end();
        else this.#track("close", () => this.#writer!.close());
        break;
      case "abort":
        if (this.#source) this.#source.fail("abort");
        else this.#track("abort", () => this.#writer!.abort("abort"));
        break;
      case "read":
        this.#read();
        break;
      case "unlock":
        this.#try("unlock", () => {
          this.#reader?.releaseLock();
          this.#reader = undefined;
        });
        break;
      case "cancel":
        this.#track("cancel", () => (this.#reader ?? this.#sides.at(-1)!).cancel("cancel"));
        break;
      case "end pipe":
        this.#pipes[step.at % this.#pipes.length]!.abort("pipe");
        break;
      case "end sink":
        this.#ownSink.abort("sink");
        break;
      case "end part":
        this.#own[step.at % this.#own.length]!.abort("own");
        break;
      case "write to part":
      case "close part":
      case "lock part":
        this.#atWriter(step.do, step.at);
        break;
      case "read at":
        this.#readAt(step.at);
        break;
      case "pipe":
        this.pipe();
        break;
      case "pipe again": {
        const last = this.#joints.at(-1);
        // The pulls of an impossible pipe differ between platforms.
        if (last?.over && !last.failed) this.#pipeTo(last, this.#joints.length - 1);
        break;
      }
      default:
        if (this.#sink) this.#atSink(step.do, this.#sink);
    }
  }

  /** Connects the parts. */
  pipe(): void {
    if (this.#piped) return;
    this.#piped = true;
    // The last part first, because it may have ended.
    for (const [at, joint] of [...this.#joints.entries()].reverse()) {
      const pair = this.#parts[at + 1];
      if (!this.#setup.through || !pair) this.#pipeTo(joint, at);
      else {
        this.#try(joint.name, () => {
          this.#piping.through(joint.source, pair, this.#optionsOf(at));
        });
      }
    }
    // The consumer of the last part.
    if (!this.#sink) this.#read();
  }

  /** Lets the sink go on. */
  resume(): void {
    if (this.#sink) this.#sink.concurrency = this.#setup.concurrency;
  }

  /** Ends everything that is left. */
  end(): void {
    for (const own of [...this.#own, this.#ownSink]) own.abort("end");
    this.#reader?.releaseLock();
  }

  #optionsOf(at: number): StreamPipeOptions {
    const { prevents, signalled } = this.#setup;
    return {
      ...Object.fromEntries(prevents.map((name) => [name, true])),
      ...(signalled && { signal: this.#pipes[at]!.signal }),
    };
  }

  #join(at: number, sink: WritableStream): void {
    this.#joints.push({
      name: `pipe ${at}`,
      source: this.#sides[at]!,
      sink,
      over: false,
      failed: false,
    });
  }

  #pipeTo(joint: Joint, at: number): void {
    joint.over = false;
    const piped = this.#piping.to(joint.source, joint.sink, this.#optionsOf(at));
    const end = (failed: boolean) => () => void Object.assign(joint, { over: true, failed });
    piped.then(end(false), end(true));
    this.#track(joint.name, () => piped);
  }

  #make(part: Part, at: number): TransformStream {
    const { signal } = this.#own[at]!;
    switch (part.kind) {
      case "batch":
        return new BatchStream({ ...this.#limits(part, at) });
      case "chunk":
        return new ChunkStream<Uint8Array>(this.#limits(part, at) as { maxBytes: number });
      case "map":
        return new MapStream(this.#fn(part, at), this.#mapping(part, at));
      case "throttle":
        return new ThrottleStream({ interval: 10, edge: part.edge, signal });
      case "fixed":
        return new FixedChunkStream({ size: part.size, signal });
    }
  }

  #from(part: Part, source: Source<Uint8Array<ArrayBuffer>>): ReadableStream {
    const { signal } = this.#own[0]!;
    switch (part.kind) {
      case "batch":
        return BatchStream.from(source, { ...this.#limits(part, 0) });
      case "chunk":
        return ChunkStream.from(source, this.#limits(part, 0) as { maxBytes: number });
      case "map":
        return MapStream.from(source, this.#fn(part, 0), this.#mapping(part, 0));
      case "throttle":
        return ThrottleStream.from(source, { interval: 10, edge: part.edge, signal });
      case "fixed":
        return FixedChunkStream.from(source, { size: part.size, signal });
    }
  }

  #limits({ kind: _, ...limits }: Part, at: number): object {
    return {
      ...limits,
      signal: this.#own[at]!.signal,
      onDiscard: this.#discarded(`part ${at}`, at),
    };
  }

  #mapping(part: Part & { kind: "map" }, at: number): object {
    const { concurrency, ordered, skips } = part;
    const onError = (error: unknown, item: unknown) => this.#see(`part ${at} error`, [error, item]);
    const ends = { signal: this.#own[at]!.signal, onDiscard: this.#discarded(`part ${at}`, at) };
    return { concurrency, ordered, ...ends, ...(skips && { onError }) };
  }

  #fn({ how }: Part & { kind: "map" }, at: number): (item: unknown) => unknown {
    return (item) => this.#call(`part ${at}`, "map", at, how, item);
  }

  #open(kind: "fanout" | "aggregator"): Sink<unknown> {
    const { how, concurrency, capacity, linger, skips } = this.#setup;
    const onError = (error: unknown, item: unknown) => this.#see("sink error", [error, item]);
    const options = {
      concurrency,
      signal: this.#ownSink.signal,
      onDiscard: this.#discarded("sink", this.#own.length),
      ...(skips && { onError }),
    };
    const handler = (item: unknown) => this.#call("sink", "handler", this.#own.length, how, item);
    const sink = kind === "fanout"
      ? new Fanout<unknown>(handler, { ...options, capacity })
      : new Aggregator<unknown>(handler as never, {
        ...options,
        maxItems: 2,
        capacity: capacity + 2,
        linger,
      });
    this.#track("sink closed", () => sink.closed);
    return sink;
  }

  /** Called by each function of the user. */
  #call(place: string, by: string, at: number, how: How, value: unknown): unknown {
    this.#see(place, value);
    const count = this.#counts[place] = (this.#counts[place] ?? 0) + 1;
    this.#act(by, at, value);
    if (how === "sync" || (how === "mixed" && count % 2 === 0)) return value;
    const call: Call = { name: place, value, ...gate<unknown>() };
    this.#calls.push(call);
    return call.promise;
  }

  #discarded(place: string, at: number): (items: unknown[], reason: unknown) => void {
    return (items, reason) => {
      this.#see(`${place} discard`, [items, reason]);
      for (const item of items) this.#act("discard", at, item);
    };
  }

  /** Runs the action for an item, in the function of a part or in the sink behind them. */
  #act(by: string, at: number, value: unknown): void {
    for (const id of idsOf(value)) {
      const deed = this.#deeds.get(id);
      if (deed?.by !== by) continue;
      this.#deeds.delete(id);
      const { what } = deed;
      if (what === "throw") {
        if (by !== "discard") throw `thrown ${id}`;
      } else if (this.#setup.rash && !this.#isAbove(what, at)) this.do(what);
      else this.#later.set(id, what);
    }
  }

  /**
   * Whether the action affects an earlier part. Some platforms write while the source hands over,
   * which the standard forbids.
   */
  #isAbove(step: LineStep, at: number): boolean {
    if (step.do === "end part") return step.at % this.#own.length < at;
    return ABOVE.has(step.do);
  }

  #item(): Uint8Array<ArrayBuffer> {
    const id = ++this.#made;
    return new Uint8Array(1 + id % 3).fill(id);
  }

  #write(deed: { readonly by: string; readonly what: Deed } | undefined): void {
    const item = this.#item();
    if (deed) this.#deeds.set(this.#made, deed);
    if (this.#source) this.#source.feed(item);
    else this.#track(`write ${this.#made}`, () => this.#writer!.write(item));
  }

  #read(): void {
    const side = this.#sides.at(-1)!;
    if (!this.#reader && side.locked) return this.#see("read", "locked");
    this.#reader ??= side.getReader();
    this.#reader.closed.catch(nothing);
    if (this.#reads >= MOST_READS) return;
    this.#reads++;
    const over = () => void this.#reads--;
    this.#reader.read().then(
      ({ done, value }) => this.#see("read", [done, value]),
      (error) => this.#see("read", ["rejected", error]),
    ).then(over);
  }

  /** Takes one item from a side other than the last, if possible. */
  #readAt(at: number): void {
    const side = this.#sides[at % this.#sides.length]!;
    this.#try(`read at ${at}`, () => {
      if (this.#reader && side === this.#sides.at(-1)) return;
      const reader = side.getReader();
      reader.closed.catch(nothing);
      reader.read().then(
        ({ done, value }) => this.#see(`read at ${at}`, [done, value]),
        (error) => this.#see(`read at ${at}`, ["rejected", error]),
      );
      reader.releaseLock();
    });
  }

  /** Gets a writer of a side that is piped to, if possible, and releases it at once. */
  #atWriter(what: string, at: number): void {
    const joint = this.#joints[at % Math.max(this.#joints.length, 1)];
    if (!joint) return;
    this.#try(what, () => {
      const writer = joint.sink.getWriter();
      writer.closed.catch(nothing);
      writer.ready.catch(nothing);
      if (what === "write to part") this.#track(`write ${at}`, () => writer.write(this.#item()));
      if (what === "close part") this.#track(`close ${at}`, () => writer.close());
      writer.releaseLock();
    });
  }

  #atSink(what: string, sink: Sink<unknown>): void {
    switch (what) {
      case "push":
        return this.#try(what, () => sink.tryPush(this.#item()));
      case "flush":
        return this.#track(what, () => sink.flush());
      case "pause":
        sink.concurrency = sink.concurrency === 0 ? this.#setup.concurrency : 0;
        break;
      case "close sink":
        return this.#track(what, () => sink.close());
      case "abort sink":
        return this.#track(what, () => sink.abort("abort sink"));
    }
  }

  #track(name: string, start: () => Promise<unknown>): void {
    while (name in this.#outcomes) name += "'";
    this.#outcomes[name] = "pending";
    // Node throws internal assertions during a close.
    const promise = (async () => await start())();
    promise.then(
      () => this.#outcomes[name] = "fulfilled",
      (error) => this.#outcomes[name] = `rejected: ${show(error)}`,
    );
  }

  #try(name: string, body: () => unknown): void {
    try {
      this.#see(name, body());
    } catch (error) {
      this.#see(name, error);
    }
  }

  #see(place: string, value: unknown): void {
    (this.#seen[place] ??= []).push(show(value));
  }
}

/** The first of both. */
function sorted<V>(entries: Record<string, V>): Record<string, V> {
  return Object.fromEntries(Object.entries(entries).sort(([a], [b]) => a < b ? -1 : 1));
}

/** A value as text: items by their bytes, errors of the platform by their name. */
function show(value: unknown): string {
  if (value instanceof Uint8Array) return value.join(".");
  if (Array.isArray(value)) return `[${value.map(show)}]`;
  return Object(value) === value ? (value as Error).name : String(value);
}

function idsOf(value: unknown): number[] {
  if (value instanceof Uint8Array) return [...new Set(value)];
  return Array.isArray(value) ? value.flatMap(idsOf) : [];
}
