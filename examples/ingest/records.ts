/** Cuts a JSON array into its records while it is being read. */

/** The input is not what it should be; `record` is the number of the record, from 1. */
export class RecordError extends Error {
  override readonly name = "RecordError";
  readonly record: number;

  constructor(record: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.record = record;
  }
}

/**
 * The text of each object in a JSON array that comes in pieces, cut anywhere. At most one piece and
 * one record are held. What is inside of a record is left for `JSON.parse` to judge.
 */
export async function* records(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<string, void, undefined> {
  const splitter = new Splitter();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decode = (bytes?: Uint8Array): string => {
    try {
      return bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode();
    } catch (cause) {
      throw new RecordError(splitter.count + 1, "the text is not UTF-8", { cause });
    }
  };
  for await (const bytes of pieces) yield* splitter.push(decode(bytes));
  yield* splitter.push(decode());
  splitter.end();
}

const SPACE = /[\t\n\r ]/;

/** What may come next between two records, by what came last. */
const EXPECTED = {
  start: "[",
  open: "{ or ]",
  comma: "{",
  record: ", or ]",
  end: "nothing more",
} as const;

class Splitter {
  /** Records that are complete. */
  count = 0;

  #last: keyof typeof EXPECTED = "start";
  /** How many braces are open: 0 between records. */
  #depth = 0;
  #quoted = false;
  #escaped = false;
  /** What earlier pieces held of this record. */
  #held = "";

  *push(text: string): Generator<string, void, undefined> {
    let start = 0;
    for (let i = 0; i < text.length; i++) {
      const char = text[i]!;
      if (this.#depth === 0) {
        this.#between(char);
        start = i;
      } else if (this.#quoted) {
        if (this.#escaped) this.#escaped = false;
        else if (char === "\\") this.#escaped = true;
        else if (char === '"') this.#quoted = false;
      } else if (char === '"') {
        this.#quoted = true;
      } else if (char === "{") {
        this.#depth++;
      } else if (char === "}" && --this.#depth === 0) {
        const record = this.#held + text.slice(start, i + 1);
        this.#held = "";
        this.#last = "record";
        this.count++;
        yield record;
      }
    }
    if (this.#depth > 0) this.#held += text.slice(start);
  }

  end(): void {
    if (this.#last === "end") return;
    const where = this.#depth > 0
      ? "inside of a record"
      : `where ${EXPECTED[this.#last]} should be`;
    throw new RecordError(this.count + 1, `the input ends ${where}`);
  }

  #between(char: string): void {
    if (SPACE.test(char)) return;
    const last = this.#last;
    if (last === "start" && char === "[") this.#last = "open";
    else if (last === "record" && char === ",") this.#last = "comma";
    else if ((last === "record" || last === "open") && char === "]") this.#last = "end";
    else if ((last === "comma" || last === "open") && char === "{") this.#depth = 1;
    else {
      const found = JSON.stringify(char);
      throw new RecordError(this.count + 1, `${found} where ${EXPECTED[last]} should be`);
    }
  }
}
