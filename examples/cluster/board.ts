/** Shows the progress of all processes: a block on a terminal, or else a line each second. */

const number = new Intl.NumberFormat("en").format;

/** The line of a process. */
export class Line {
  readonly title: string;
  /** The latest values that the process has printed. */
  readonly last: Record<string, unknown> = {};
  /** A remark, such as that it was killed. */
  note = "";

  constructor(title: string) {
    this.title = title;
  }

  heard(report: Record<string, unknown>): void {
    Object.assign(this.last, report);
  }

  get text(): string {
    const { written, rows = written ?? 0 } = this.last;
    return `${number(rows as number)}${this.note && ` ${this.note}`}`;
  }
}

/** The lines of all processes. */
export class Board {
  readonly #lines: Line[] = [];
  readonly #terminal = Deno.stdout.isTerminal();
  #timer: ReturnType<typeof setInterval> | undefined;
  #drawn = 0;
  #begin = 0;
  #stored = (): number => 0;

  /** Adds a process. */
  add(title: string): Line {
    const line = new Line(title);
    this.#lines.push(line);
    return line;
  }

  /** Draws until `stop`. */
  start(stored: () => number): void {
    this.#stored = stored;
    this.#begin = performance.now();
    this.#timer = setInterval(() => this.#draw(), this.#terminal ? 200 : 1000);
  }

  /** Draws once more, and stops. */
  stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#draw();
  }

  /** Prints a sentence above the block. */
  print(text: string): void {
    this.#erase();
    console.log(`${this.#seconds} ${text}`);
    this.#draw();
  }

  get #seconds(): string {
    return `${((performance.now() - this.#begin) / 1000).toFixed(1).padStart(5)} s`;
  }

  #draw(): void {
    const cells = [
      ["in SQLite", number(this.#stored())],
      ...this.#lines.map((line) => [line.title, line.text]),
    ];
    if (this.#terminal) {
      this.#erase();
      for (const [title, text] of cells) console.log(`  ${title!.padEnd(20)} ${text}`);
      this.#drawn = cells.length;
    } else {
      console.log(`${this.#seconds} ${cells.map((cell) => cell.join(" ")).join(" | ")}`);
    }
  }

  #erase(): void {
    if (this.#drawn > 0) {
      Deno.stdout.writeSync(new TextEncoder().encode(`\x1b[${this.#drawn}A\x1b[J`));
    }
    this.#drawn = 0;
  }
}
