/** Cuts a JSON array into its records while it is being read. */

/** The input can't be read any further; `record` is the number of the record, from 1. */
export class RecordError extends Error {
  override readonly name = "RecordError";
  readonly record: number;

  constructor(record: number, message: string) {
    super(message);
    this.record = record;
  }
}

/** The longest record, in bytes: one that lacks a brace or a quote would go on to the end. */
const LONGEST = 1024 * 1024;

/**
 * The bytes of each record in a JSON array that comes in pieces, cut anywhere. At most one piece and
 * one record are held. A record is what stands between two commas, and is left for others to judge:
 * a bad one does no harm to the next, as long as its braces and quotes have their partners.
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

/** What may come next where nothing is open, by what came last. */
const EXPECTED = {
  start: "[",
  open: "a record or ]",
  comma: "a record",
  inside: ", or ]",
  end: "nothing more",
} as const;

class Splitter {
  /** Records that are complete. */
  #count = 0;
  #last: keyof typeof EXPECTED = "start";
  /** How many braces and brackets of the record are open. */
  #depth = 0;
  #quoted = false;
  #escaped = false;
  /** What earlier pieces held of this record. */
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
    this.#fail(`longer than ${LONGEST} bytes, so a brace or a quote of it lacks its partner`);
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
