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
    this.#write(
      "source-note",
      over || pipeline.closing
        ? "has ended"
        : `offers ${settings.rate}/s${slowed ? ", slowed down" : ""}`,
    );
    this.#write("gathering", String(batching.stats.waiting));
    this.#write("gathering-of", ` of ${settings.maxItems} items`);
    this.#write(
      "batch-note",
      blocked > 0 ? "a batch waits for room" : `at most ${settings.linger} ms`,
    );
    this.#write("waiting", String(waiting));
    this.#write("waiting-of", ` of ${settings.capacity} batches`);
    const full = blocked > 0 || (waiting > 0 && waiting === settings.capacity);
    this.#write("queue-note", full ? "full: the pipe waits" : "has room");
    this.#write("running", String(running));
    this.#write("running-of", ` of ${most} handlers`);
    this.#write("workers-note", workersNote(pipeline, waiting, running));
    for (const end of ["done", "failed", "discarded"] as const) {
      this.#write(`${end}-items`, ends[end].toLocaleString("en"));
    }
    document.querySelector(".queue")!.classList.toggle("full", full && !over);
    document.querySelector(".source")!.classList.toggle("full", slowed);
    for (const check of checks) this.#check(check);
    this.#say(sentence(pipeline, full, slowed), phase, now);
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

function workersNote({ phase, settings, sink }: Pipeline, waiting: number, running: number) {
  if (phase === "paused") return "paused: concurrency is 0";
  const free = running < sink.concurrency;
  if (settings.rateLimit > 0 && waiting > 0 && free) return "wait for the rate limit";
  return free ? `${sink.concurrency - running} free` : "all busy";
}

function sentence(
  { phase, closing, ends, sink }: Pipeline,
  full: boolean,
  slowed: boolean,
): string {
  const { discarded } = ends;
  switch (phase) {
    case "aborted":
      return `Aborted at once. ${discarded} items were discarded, and onDiscard got them all.`;
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
