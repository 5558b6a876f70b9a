/** How far the job is: a bar on a terminal, and else a line a second. */

import process from "node:process";

/** What is shown. */
export interface Standing {
  /** From 0 to 1. */
  readonly fraction: number;
  readonly rows: number;
  readonly running: number;
  readonly waiting: number;
}

const numbers = new Intl.NumberFormat("en");
const ERASE = "\r\x1b[K";

/** Says it with separators. */
export function count(value: number): string {
  return numbers.format(Math.round(value));
}

/** Prints lines, and a bar below them. */
export class Progress {
  readonly #terminal: boolean = process.stdout.isTTY ?? false;
  readonly #onLost: () => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #draw = () => {};
  #lost = false;
  /** What was printed is lost, though somebody wanted it. */
  failed = false;

  /** `onLost` is told once, when what is printed reaches nobody any more. */
  constructor(onLost: () => void) {
    this.#onLost = onLost;
    process.stdout.on("error", (error) => this.#lose(error));
  }

  /** Shows what `standing` says, until `stop`. */
  start(standing: () => Standing): void {
    const start = performance.now();
    this.#draw = () => {
      const now = standing();
      const rate = now.rows / (performance.now() - start) * 1000;
      if (this.#terminal) this.#write(ERASE + bar(now, rate, process.stdout.columns));
      else this.#write(`${line(now, rate)}\n`);
    };
    this.#timer = setInterval(() => this.#draw(), this.#terminal ? 100 : 1000);
  }

  /** Takes the bar away. */
  stop(): void {
    clearInterval(this.#timer);
    if (this.#terminal) this.#write(ERASE);
    this.#timer = undefined;
  }

  /** Prints a line above the bar. */
  print(text: string): void {
    this.#write(`${this.#terminal ? ERASE : ""}${text}\n`);
    if (this.#terminal && this.#timer) this.#draw();
  }

  /** A runtime throws here, or emits the error later. */
  #write(text: string): void {
    if (this.#lost) return;
    try {
      process.stdout.write(text);
    } catch (error) {
      this.#lose(error);
    }
  }

  #lose(error: unknown): void {
    if (this.#lost) return;
    this.#lost = true;
    const { code, message } = error as Error & { code?: unknown };
    // A reader that has enough, such as `head`, is no fault.
    this.failed = code !== "EPIPE";
    if (this.failed) console.error(`Cannot print: ${message}.`);
    this.#onLost();
  }
}

function line({ fraction, rows, running, waiting }: Standing, rate: number): string {
  const percent = `${Math.floor(Math.min(fraction, 1) * 100)}`.padStart(3);
  return `${percent} %  ${count(rows).padStart(7)} rows  ${count(rate).padStart(7)} rows/s  ` +
    `${running} running, ${waiting} waiting`;
}

/** The line, behind as much of a bar as the terminal is wide enough for. */
export function bar(now: Standing, rate: number, columns: number | undefined): string {
  const text = line(now, rate);
  // A terminal that does not know says 0. The last column stays free: some wrap after it.
  const room = (columns || 80) - 1;
  const width = Math.min(40, room - text.length - 1);
  if (width < 4) return text.slice(0, room);
  const full = Math.round(Math.min(now.fraction, 1) * width);
  return `${"█".repeat(full)}${"░".repeat(width - full)} ${text}`;
}
