/** Shows progress: a bar on a terminal, or else a line each second. */

import process from "node:process";

/** The numbers that it shows. */
export interface Standing {
  /** From 0 to 1. */
  readonly fraction: number;
  readonly rows: number;
  readonly running: number;
  readonly waiting: number;
}

const numbers = new Intl.NumberFormat("en");
const ERASE = "\r\x1b[K";

/** Formats a number with separators. */
export function count(value: number): string {
  return numbers.format(Math.round(value));
}

/** Prints lines, with a bar below them. */
export class Progress {
  readonly #terminal: boolean = process.stdout.isTTY ?? false;
  readonly #onLost: () => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #draw = () => {};
  #lost = false;
  /** Whether it could not print. */
  failed = false;

  /** Calls `onLost` once, when it can print no more. */
  constructor(onLost: () => void) {
    this.#onLost = onLost;
    process.stdout.on("error", (error) => this.#lose(error));
  }

  /** Shows the numbers until `stop`. */
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

  /** Removes the bar. */
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

  /** Some runtimes throw an error here, and others emit it later. */
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
    // The reader has closed the pipe, as `head` does. That is no failure.
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

/** Returns a bar and the line. The bar is as long as the terminal has room for. */
export function bar(now: Standing, rate: number, columns: number | undefined): string {
  const text = line(now, rate);
  // Some terminals report 0 columns. The last column stays free, because some terminals wrap after it.
  const room = (columns || 80) - 1;
  const width = Math.min(40, room - text.length - 1);
  if (width < 4) return text.slice(0, room);
  const full = Math.round(Math.min(now.fraction, 1) * width);
  return `${"█".repeat(full)}${"░".repeat(width - full)} ${text}`;
}
