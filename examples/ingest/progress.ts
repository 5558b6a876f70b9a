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
  #timer: ReturnType<typeof setInterval> | undefined;
  #draw = () => {};

  /** Shows what `standing` says, until `stop`. */
  start(standing: () => Standing): void {
    const start = performance.now();
    this.#draw = () => {
      const now = standing();
      const rate = now.rows / (performance.now() - start) * 1000;
      if (this.#terminal) process.stdout.write(ERASE + bar(now, rate));
      else process.stdout.write(`${line(now, rate)}\n`);
    };
    this.#timer = setInterval(() => this.#draw(), this.#terminal ? 100 : 1000);
  }

  /** Takes the bar away. */
  stop(): void {
    clearInterval(this.#timer);
    if (this.#terminal) process.stdout.write(ERASE);
    this.#timer = undefined;
  }

  /** Prints a line above the bar. */
  print(text: string): void {
    process.stdout.write(`${this.#terminal ? ERASE : ""}${text}\n`);
    if (this.#terminal && this.#timer) this.#draw();
  }
}

function line({ fraction, rows, running, waiting }: Standing, rate: number): string {
  const percent = `${Math.floor(Math.min(fraction, 1) * 100)}`.padStart(3);
  return `${percent} %  ${count(rows).padStart(7)} rows  ${count(rate).padStart(7)} rows/s  ` +
    `${running} running, ${waiting} waiting`;
}

/** The line, behind as much of a bar as the terminal is wide enough for. */
function bar(now: Standing, rate: number): string {
  const text = line(now, rate);
  // The last column stays free: some terminals wrap after it.
  const columns = (process.stdout.columns ?? 80) - 1;
  const width = Math.min(40, columns - text.length - 1);
  if (width < 4) return text.slice(0, columns);
  const full = Math.round(Math.min(now.fraction, 1) * width);
  return `${"█".repeat(full)}${"░".repeat(width - full)} ${text}`;
}
