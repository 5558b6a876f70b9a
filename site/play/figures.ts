/// <reference lib="dom" />
/** The figures on the page, and the sentence that a screen reader hears. */

import { element, make } from "./controls.ts";
import type { Pipeline } from "./pipeline.ts";
import type { Check } from "./sums.ts";

/** How long the sentence stays at least, in milliseconds. */
const PATIENCE = 3000;

/** Writes what is true now into the page. */
export class Figures {
  readonly #texts = new Map<string, string>();
  readonly #checks = new Map<string, (check: Check) => void>();
  #said = "";
  #saidAt = -Infinity;
  #phase = "";

  /** All at once, so that the figures on the page belong together. */
  show(pipeline: Pipeline, checks: readonly Check[], now: number): void {
    const { settings, source, sink, batching, ends, phase } = pipeline;
    const { waiting, running, blocked } = sink.stats;
    const { most } = pipeline;
    const over = phase === "closed" || phase === "aborted";
    const slowed = source.slowed(now) && !over && !pipeline.closing;
    this.#write("measured", String(Math.round(over ? 0 : source.measured(now))));
    this.#write("gathering", String(batching.stats.waiting));
    this.#write("gathering-of", ` of ${settings.maxItems} items`);
    this.#write("waiting", String(waiting));
    this.#write("waiting-of", ` of ${settings.capacity} batches`);
    const full = blocked > 0 || (waiting > 0 && waiting === settings.capacity);
    this.#write("running", String(running));
    this.#write("running-of", ` of ${most} ${most === 1 ? "handler" : "handlers"}`);
    for (const [stage, note] of Object.entries(notesOf(pipeline, full, slowed))) {
      this.#write(`${stage}-note`, over && stage !== "source" ? "" : note);
    }
    for (const end of ["done", "failed", "discarded"] as const) {
      this.#write(`${end}-items`, ends[end].toLocaleString("en"));
    }
    document.querySelector(".queue")!.classList.toggle("full", full && !over);
    document.querySelector(".source")!.classList.toggle("full", slowed);
    for (const check of checks) this.#check(check);
    this.#say(sentence(pipeline, full, slowed), `${phase} ${ends.unaccepted}`, now);
  }

  /** How many frames there were, and in how many something did not hold. */
  count(frames: number, broken: number): void {
    this.#write("frames", frames.toLocaleString("en"));
    this.#write("broken", broken.toLocaleString("en"));
  }

  #write(id: string, text: string): void {
    if (this.#texts.get(id) === text) return;
    this.#texts.set(id, text);
    element(id).textContent = text;
  }

  #check(check: Check): void {
    let show = this.#checks.get(check.id);
    if (!show) this.#checks.set(check.id, show = line(check));
    show(check);
  }

  /** Says what has changed; a change of phase at once, the rest not too often. */
  #say(text: string, phase: string, now: number): void {
    if (text === this.#said || (phase === this.#phase && now - this.#saidAt < PATIENCE)) return;
    this.#said = text;
    this.#saidAt = now;
    this.#phase = phase;
    this.#write("status", text);
  }
}

/** Makes the line of a check once, and returns what fills in its values. */
function line({ id, terms }: Check): (check: Check) => void {
  const host = document.querySelector(`[data-check="${id}"]`)!;
  const values = terms.map(([sign, name]) => {
    const value = make("b");
    value.dataset.term = name;
    const term = make("span");
    term.append(`${sign} ${name} `, value);
    host.append(term);
    return value;
  });
  const sign = make("span");
  host.append(sign);
  return ({ terms, holds }) => {
    terms.forEach(([, , value], nth) => {
      const text = String(value);
      if (values[nth]!.textContent !== text) values[nth]!.textContent = text;
    });
    const text = holds ? "✓" : "✗ broken";
    if (sign.textContent !== text) {
      sign.textContent = text;
      sign.className = holds ? "ok" : "wrong";
    }
  };
}

/** A note at each stage. */
function notesOf(pipeline: Pipeline, full: boolean, slowed: boolean): Record<string, string> {
  const { settings, sink, phase, closing } = pipeline;
  const ended = closing || phase === "closed" || phase === "aborted";
  const offers = `offers ${settings.rate}/s${slowed ? ", slowed down" : ""}`;
  const lingers = settings.linger === 0
    ? "waits for demand"
    : `waits ${settings.linger} ms at most`;
  return {
    source: ended ? "has ended" : offers,
    batch: sink.stats.blocked > 0 ? "a batch waits for room" : lingers,
    queue: full ? "full: the pipe waits" : "has room",
    workers: workersNote(pipeline),
  };
}

function workersNote({ phase, settings, sink }: Pipeline): string {
  if (phase === "paused") return "paused: concurrency is 0";
  const { waiting, running } = sink.stats;
  const free = sink.concurrency - running;
  if (settings.rateLimit > 0 && waiting > 0 && free > 0) return `${free} wait for the rate limit`;
  return free > 0 ? `${free} free` : "all busy";
}

function sentence(
  { phase, closing, ends, sink }: Pipeline,
  full: boolean,
  slowed: boolean,
): string {
  const { discarded, unaccepted } = ends;
  switch (phase) {
    case "aborted":
      return unaccepted === 0
        ? `Aborted at once. onDiscard got ${discarded} items.`
        : `Aborted at once. onDiscard got ${discarded} items. ` +
          `${unaccepted} more were in a pipe: no stage had accepted them.`;
    case "closed":
      return "Closed. Every accepted item has ended.";
    case "closing":
      return "Closing. The source has ended, and the queue drains.";
    case "paused":
      return closing
        ? "Closing, but paused: nothing drains before you resume."
        : `Paused. ${sink.stats.running > 0 ? "Running handlers end; no" : "No"} handler starts.`;
    case "running":
      if (slowed) return "Running. The source is slowed down: it waits until there is room.";
      return full ? "Running. The queue is full." : "Running. The queue has room.";
  }
}
