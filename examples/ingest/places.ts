/** Reads the places of a file, one by one. */

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { BadRecord } from "./dead_letters.ts";
import { parsePlace, type Place, PlaceError } from "./place.ts";
import { records } from "./records.ts";

/** The program can't read the file. */
export class InputError extends Error {
  override readonly name = "InputError";

  constructor(path: string, cause: unknown) {
    super(`Cannot read ${path}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/** Reads places, and counts records and bytes. */
export class PlaceFile {
  /** How many records it has read, good and bad. */
  records = 0;
  /** How many bytes it has read. */
  bytes = 0;
  readonly size: number;
  readonly #path: string;

  private constructor(path: string, size: number) {
    this.#path = path;
    this.size = size;
  }

  /** Rejects with an `InputError` if it can't read the file. */
  static async open(path: string): Promise<PlaceFile> {
    try {
      const info = await stat(path);
      return new PlaceFile(path, info.size);
    } catch (error) {
      throw new InputError(path, error);
    }
  }

  /** How much of the file it has read: 0 to 1. */
  get fraction(): number {
    return this.size > 0 ? this.bytes / this.size : 0;
  }

  /** Stops after `limit` records, or when `stop` aborts. */
  async *read(
    limit: number,
    stop: AbortSignal,
    onBad: (bad: BadRecord) => void,
  ): AsyncGenerator<Place, void, undefined> {
    for await (const bytes of records(this.#pieces())) {
      if (stop.aborted) return;
      this.records++;
      const place = parse(bytes, this.records);
      if ("reason" in place) onBad(place);
      else yield place;
      if (this.records >= limit) return;
    }
  }

  async *#pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const piece of createReadStream(this.#path)) {
        this.bytes += piece.length;
        yield piece;
      }
    } catch (error) {
      throw new InputError(this.#path, error);
    }
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });
/** It has a character for every byte. */
const latin = new TextDecoder("windows-1252");

/** Returns the place, or the reason why the record isn't one. */
function parse(bytes: Uint8Array, record: number): Place | BadRecord {
  let raw: string;
  try {
    raw = utf8.decode(bytes).trim();
  } catch {
    const reason = "not UTF-8; the text is read as Windows-1252";
    return { record, reason, raw: latin.decode(bytes).trim() };
  }
  try {
    return parsePlace(raw, record);
  } catch (error) {
    if (error instanceof PlaceError) return { record, reason: error.message, raw };
    throw error;
  }
}
