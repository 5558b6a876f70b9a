/** Cuts a JSON array into records while the file is read. */

/** The rest of the input can't be read. `record` is the number of the record: the first one is 1. */
export class RecordError extends Error {
  override readonly name = "RecordError";
  readonly record: number;

  constructor(record: number, message: string) {
    super(message);
    this.record = record;
  }
}

/** The longest record, in bytes. A record without its closing brace would go on to the end of the file. */
const LONGEST = 1024 * 1024;

/**
 * Returns the bytes of each record of a JSON array. The array comes in pieces of any size. At most one piece
 * and one record are in memory. A record is the text between two commas, and may be bad JSON. A bad record
 * doesn't harm the next one, if its braces and quotes come in pairs.
 */
export async function* records(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const splitter = new Splitter();
  for await (const piece of pieces) yield* splitter.push(piece);
  splitter.end();
}

const [QUOTE, BACKSLASH, COMMA, OPEN, CLOSE, OPEN_BRACE, CLOSE_BRACE] = bytes('"\\,[]{}');
const SPACE = bytes("\t\n\r ");
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** What may come next outside of a record, by what came last. */
const EXPECTED = {
  start: "[",
  open: "a record or ]",
  comma: "a record",
  inside: ", or ]",
  end: "nothing more",
} as const;

class Splitter {
  /** How many records are complete. */
  #count = 0;
  #last: keyof typeof EXPECTED = "start";
  /** How many braces and brackets are open. */
  #depth = 0;
  #quoted = false;
  #escaped = false;
  /** The parts of this record from earlier pieces. */
  #held: Uint8Array[] = [];

  *push(piece: Uint8Array): Generator<Uint8Array, void, undefined> {
    let start = 0;
    for (let i = 0; i < piece.length; i++) {
      const byte = piece[i]!;
      if (this.#last !== "inside") {
        this.#between(byte);
        if (this.#last as string !== "inside") continue;
        start = i;
      }
      if (this.#quoted) this.#inString(byte);
      else if (byte === QUOTE) this.#quoted = true;
      else if (byte === OPEN_BRACE || byte === OPEN) this.#depth++;
      else if (this.#depth > 0) {
        if (byte === CLOSE_BRACE || byte === CLOSE) this.#depth--;
      } else if (byte === COMMA || byte === CLOSE) {
        this.#hold(piece.subarray(start, i));
        const record = join(this.#held);
        this.#held = [];
        this.#count++;
        this.#last = byte === COMMA ? "comma" : "end";
        yield record;
      }
    }
    if (this.#last === "inside") this.#hold(piece.slice(start));
  }

  end(): void {
    if (this.#last === "end") return;
    if (this.#depth > 0 || this.#quoted) this.#fail("the input ends inside of a record");
    this.#fail(`the input ends where ${EXPECTED[this.#last]} should be`);
  }

  #between(byte: number): void {
    const last = this.#last;
    if (SPACE.includes(byte) || last === "start" && BYTE_ORDER_MARK.includes(byte)) return;
    if (last === "start" && byte === OPEN) this.#last = "open";
    else if (last === "open" && byte === CLOSE) this.#last = "end";
    else if (last === "start" || last === "end" || byte === COMMA || byte === CLOSE) {
      const found = JSON.stringify(String.fromCharCode(byte));
      this.#fail(`${found} where ${EXPECTED[last]} should be`);
    } else this.#last = "inside";
  }

  #inString(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === BACKSLASH) this.#escaped = true;
    else if (byte === QUOTE) this.#quoted = false;
  }

  #hold(part: Uint8Array): void {
    this.#held.push(part);
    if (this.#held.reduce((sum, { length }) => sum + length, 0) <= LONGEST) return;
    this.#fail(`longer than ${LONGEST} bytes: a closing brace or quote is missing`);
  }

  #fail(problem: string): never {
    throw new RecordError(this.#count + 1, problem);
  }
}

function bytes(text: string): number[] {
  return [...new TextEncoder().encode(text)];
}

function join(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
