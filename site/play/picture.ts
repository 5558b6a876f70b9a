/// <reference lib="dom" />
/** The picture: each item is a dot that moves to where the item is. */

import type { Batch, Ended, Item, Pipeline } from "./pipeline.ts";
import { type Box, fit, square } from "./layout.ts";

/** How quickly a dot comes to its place: the time constant, in milliseconds. */
const PACE = 60;

/** How long an item that has ended stays visible, in milliseconds. */
const FADE = 900;

/** The largest slot of a batch, in pixels. */
const SLOT = 76;

interface Dot {
  x: number;
  y: number;
  radius: number;
  colour: string;
  /** Where it goes. */
  to: { x: number; y: number; radius: number };
  end?: Ended["end"];
  /** When its item ended. */
  endedAt: number;
}

const COLOURS = ["line", "sunk", "soft", "blue", "amber", "green", "red", "violet"] as const;
type Colours = Record<typeof COLOURS[number], string>;

/** Draws a pipeline over its stages. */
export class Picture {
  readonly #host: HTMLElement;
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #dots = new Map<Item, Dot>();
  #boxes: Record<string, Box> = {};
  #colours = {} as Colours;
  #last = 0;

  constructor(host: HTMLElement, canvas: HTMLCanvasElement) {
    this.#host = host;
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d")!;
    const observer = new ResizeObserver(() => this.#measure());
    for (const each of [host, ...host.querySelectorAll("[data-yard]")]) observer.observe(each);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#measure());
    this.#measure();
  }

  /** Forgets all dots. */
  clear(): void {
    this.#dots.clear();
  }

  /** Draws how the pipeline is now. */
  draw(pipeline: Pipeline, ended: readonly Ended[], now: number): void {
    const passed = Math.min(now - this.#last, 100);
    this.#last = now;
    const { width, height } = this.#canvas;
    const scale = devicePixelRatio;
    this.#context.setTransform(scale, 0, 0, scale, 0, 0);
    this.#context.clearRect(0, 0, width, height);
    this.#place(pipeline, now);
    for (const { items, end } of ended) this.#leave(items, end, now);
    this.#move(1 - Math.exp(-passed / PACE), now);
  }

  #measure(): void {
    const outer = this.#host.getBoundingClientRect();
    this.#canvas.width = Math.round(outer.width * devicePixelRatio);
    this.#canvas.height = Math.round(outer.height * devicePixelRatio);
    for (const yard of this.#host.querySelectorAll<HTMLElement>("[data-yard]")) {
      const { left, top, width, height } = yard.getBoundingClientRect();
      const box = { x: left - outer.left, y: top - outer.top, width, height };
      this.#boxes[yard.dataset.yard!] = box;
    }
    const style = getComputedStyle(this.#host);
    for (const name of COLOURS) this.#colours[name] = style.getPropertyValue(`--${name}`);
  }

  /** Sends each dot to its place, and draws the places. */
  #place(pipeline: Pipeline, now: number): void {
    const { settings, batching, sink, offered, handed, running } = pipeline;
    const { blue, amber } = this.#colours;
    const { source, batch, queue, workers } = this.#boxes as Record<string, Box>;
    const gathering = batching.stats.waiting;
    const [main, door] = [
      { ...batch!, height: batch!.height * 0.62 },
      { ...batch!, y: batch!.y + batch!.height * 0.66, height: batch!.height * 0.34 },
    ];
    const frame = square(main, 1.5 * SLOT);
    this.#slot(frame, settings.maxItems);
    this.#send(offered.slice(0, gathering), frame, settings.maxItems, blue);
    const out = square(source!, SLOT);
    this.#send(offered.slice(gathering), out, 4, blue);
    this.#spout(out, pipeline.source.waits);

    const { waiting } = sink.stats;
    // A ring: a batch keeps its slot while it waits.
    const slots = fit(queue!, settings.capacity, SLOT);
    slots.forEach((slot) => this.#slot(slot, 0));
    const late = handed.slice(waiting);
    handed.forEach((each, place) => {
      const slot = place < waiting && slots[each.number % slots.length] || square(door, SLOT);
      this.#send(each.items, slot, settings.maxItems, blue);
    });
    if (late.length > 0) this.#slot(square(door, SLOT), 0, true);

    const places = fit(workers!, Math.max(settings.concurrency, running.length), SLOT);
    places.forEach((slot, nth) => {
      const paused = nth >= sink.concurrency;
      this.#slot(slot, 0, paused);
      const busy = running[nth];
      if (!busy) return;
      this.#send(busy.items, slot, settings.maxItems, amber);
      this.#progress(slot, busy, now);
    });
  }

  /** A place for a batch, with one for each of its items. */
  #slot(box: Box, items: number, dashed = false): void {
    const context = this.#context;
    context.strokeStyle = this.#colours.line;
    context.fillStyle = this.#colours.sunk;
    context.lineWidth = 1;
    context.setLineDash(dashed ? [4, 3] : []);
    context.beginPath();
    context.roundRect(box.x + 1.5, box.y + 1.5, box.width - 3, box.height - 3, 7);
    if (!dashed) context.fill();
    context.stroke();
    context.setLineDash([]);
    for (const { x, y, radius } of spots(box, items)) {
      context.beginPath();
      context.arc(x, y, Math.max(radius - 0.5, 1), 0, 2 * Math.PI);
      context.stroke();
    }
  }

  /** Where items come from: a ring that is closed while there is no demand. */
  #spout({ x, y, width, height }: Box, waits: boolean): void {
    const context = this.#context;
    context.strokeStyle = waits ? this.#colours.amber : this.#colours.line;
    context.lineWidth = waits ? 3 : 2;
    context.beginPath();
    context.arc(x + width / 2, y + height / 2, width / 2 - 6, 0, 2 * Math.PI);
    context.stroke();
  }

  /** How far a handler is. */
  #progress({ x, y, width, height }: Box, { startedAt, time }: Batch, now: number): void {
    const context = this.#context;
    const part = Math.min(Math.max((now - startedAt) / time, 0), 1);
    context.fillStyle = this.#colours.amber;
    context.beginPath();
    context.roundRect(x + 6, y + height - 6.5, Math.max((width - 12) * part, 3), 3, 1.5);
    context.fill();
  }

  #send(items: readonly Item[], box: Box, most: number, colour: string): void {
    const places = spots(box, Math.max(most, items.length));
    items.forEach((item, nth) => {
      const to = places[nth]!;
      const dot = this.#dotOf(item);
      dot.to = to;
      dot.colour = colour;
    });
  }

  #dotOf(item: Item): Dot {
    let dot = this.#dots.get(item);
    if (!dot) {
      const { x, y, width, height } = this.#boxes.source!;
      const start = { x: x + width / 2, y: y + height / 2, radius: 1 };
      dot = { ...start, to: start, colour: this.#colours.blue, endedAt: 0 };
      this.#dots.set(item, dot);
    }
    return dot;
  }

  /** The items go to the place of their end. Those that no stage accepted fade where they are. */
  #leave(items: readonly Item[], end: Ended["end"], now: number): void {
    const { green, red, violet, soft } = this.#colours;
    const colour = { done: green, failed: red, discarded: violet, unaccepted: soft }[end];
    const yard = this.#boxes[end];
    for (const item of items) {
      const dot = this.#dotOf(item);
      dot.end = end;
      dot.endedAt = now;
      dot.colour = colour;
      if (!yard) continue;
      const [place] = spots(square(yard, SLOT), 1) as [Dot["to"]];
      const spread = () => (Math.random() - 0.5) * Math.min(yard.width, yard.height) * 0.6;
      dot.to = { x: place.x + spread(), y: place.y + spread(), radius: 3 };
    }
  }

  #move(part: number, now: number): void {
    const context = this.#context;
    for (const [item, dot] of this.#dots) {
      dot.x += (dot.to.x - dot.x) * part;
      dot.y += (dot.to.y - dot.y) * part;
      dot.radius += (dot.to.radius - dot.radius) * part;
      const age = dot.end ? (now - dot.endedAt) / FADE : 0;
      if (age >= 1) {
        this.#dots.delete(item);
        continue;
      }
      context.globalAlpha = 1 - age ** 3;
      drawDot(context, dot);
    }
    context.globalAlpha = 1;
  }
}

/** A disc; a cross where the item failed; a ring where it was discarded. */
function drawDot(context: CanvasRenderingContext2D, { x, y, radius, colour, end }: Dot): void {
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = 2;
  context.beginPath();
  if (end === "failed") {
    for (const side of [-1, 1]) {
      context.moveTo(x - radius, y - side * radius);
      context.lineTo(x + radius, y + side * radius);
    }
    context.stroke();
  } else {
    context.arc(x, y, radius, 0, 2 * Math.PI);
    if (end === "discarded") context.stroke();
    else context.fill();
  }
}

/** A place for each of so many items in a box. */
function spots(box: Box, items: number): { x: number; y: number; radius: number }[] {
  if (items === 0) return [];
  const inner = { x: box.x + 6, y: box.y + 6, width: box.width - 12, height: box.height - 13 };
  return fit(inner, items, 16).map(({ x, y, width }) => {
    return { x: x + width / 2, y: y + width / 2, radius: Math.max(width * 0.36, 1) };
  });
}
