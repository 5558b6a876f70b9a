/** Reads a place from its text. */

/** A row of the database. */
export interface Place {
  /** The number of its record in the input. The first one is 1. */
  readonly record: number;
  readonly name: string;
  readonly lat: number;
  readonly lng: number;
  /** Two letters. */
  readonly country: string;
}

/** The record isn't a place. */
export class PlaceError extends Error {
  override readonly name = "PlaceError";
}

/** Returns the place. Throws a `PlaceError` if the text isn't one. */
export function parsePlace(text: string, record: number): Place {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw bad(text, "not JSON");
  }
  if (typeof value !== "object" || value === null) throw bad(text, "not an object");
  const { name, country, ...rest } = value as Record<string, unknown>;
  const lat = coordinate(rest["lat"], 90);
  const lng = coordinate(rest["lng"], 180);
  if (typeof name !== "string") throw bad(text, '"name" is not a string');
  if (typeof country !== "string" || !/^[A-Z]{2}$/.test(country)) {
    throw bad(text, '"country" is not a code of two letters');
  }
  if (lat === undefined || lng === undefined) throw bad(text, '"lat" or "lng" is not a coordinate');
  return { record, name, lat, lng, country };
}

function bad(text: string, problem: string): PlaceError {
  return new PlaceError(`${problem}: ${text.length > 60 ? `${text.slice(0, 60)}...` : text}`);
}

/** Reads a coordinate, which is a string in the file. */
function coordinate(value: unknown, most: number): number | undefined {
  const degrees = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof degrees === "number" && Math.abs(degrees) <= most ? degrees : undefined;
}
