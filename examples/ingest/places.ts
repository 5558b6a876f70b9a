/** The places of an input file, one by one. */

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { RecordError, records } from "./records.ts";

/** A place as the database has it. */
export interface Place {
  readonly name: string;
  readonly lat: number;
  readonly lng: number;
  /** Two letters. */
  readonly country: string;
}

/** The file cannot be read. */
export class InputError extends Error {
  override readonly name = "InputError";

  constructor(path: string, cause: unknown) {
    super(`Cannot read ${path}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/** Reads places, and knows how far it has come. */
export class PlaceFile {
  /** Places read. */
  rows = 0;
  /** Bytes read. */
  bytes = 0;
  readonly size: number;
  readonly #path: string;

  private constructor(path: string, size: number) {
    this.#path = path;
    this.size = size;
  }

  /** Rejects if the file cannot be read. */
  static async open(path: string): Promise<PlaceFile> {
    try {
      const info = await stat(path);
      return new PlaceFile(path, info.size);
    } catch (error) {
      throw new InputError(path, error);
    }
  }

  /** How much of the file has been read: 0 to 1. */
  get fraction(): number {
    return this.size > 0 ? this.bytes / this.size : 0;
  }

  /** Stops after `limit` places, and as soon as `stop` is aborted. */
  async *read(limit: number, stop: AbortSignal): AsyncGenerator<Place, void, undefined> {
    for await (const text of records(this.#pieces())) {
      if (stop.aborted || this.rows >= limit) return;
      const place = parse(text, this.rows + 1);
      this.rows++;
      yield place;
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

function parse(text: string, number: number): Place {
  const fail = (problem: string, cause?: unknown): never => {
    const excerpt = text.length > 60 ? `${text.slice(0, 60)}...` : text;
    throw new RecordError(number, `${problem}: ${excerpt}`, { cause });
  };
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(text);
  } catch (error) {
    return fail("not JSON", error);
  }
  const { name, country } = record;
  const lat = coordinate(record["lat"], 90);
  const lng = coordinate(record["lng"], 180);
  if (typeof name !== "string") return fail('"name" is not a string');
  if (typeof country !== "string" || !/^[A-Z]{2}$/.test(country)) {
    return fail('"country" is not a code of two letters');
  }
  if (lat === undefined || lng === undefined) return fail('"lat" or "lng" is not a coordinate');
  return { name, lat, lng, country };
}

/** They are strings in the file. */
function coordinate(value: unknown, most: number): number | undefined {
  const degrees = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof degrees === "number" && Math.abs(degrees) <= most ? degrees : undefined;
}
