/**
 * The door: options are read once, checked here, and trusted inside.
 *
 * A wrong kind is a `TypeError`, a wrong value a `RangeError`, both in the form
 * `BatchStream: option "maxItems" must be an integer of at least 1; got NaN`.
 */

/** The longest delay that `setTimeout` keeps; above it platforms fire at once. */
const MAX_DELAY = 2147483647;

/** Throws unless `options` is an object with known option names only; returns a copy of its own values. */
export function readOptions<T extends object>(
  owner: string,
  options: T | undefined,
  known: readonly (keyof T & string)[],
): Partial<T> {
  const values: Partial<T> = Object.create(null);
  if (options === undefined) return values;
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`${owner}: options must be an object; got ${show(options)}`);
  }
  for (const name of Reflect.ownKeys(options)) {
    if (!known.includes(name as keyof T & string)) {
      throw new TypeError(
        `${owner}: unknown option ${show(name)}; did you mean "${nearest(String(name), known)}"?`,
      );
    }
    values[name as keyof T] = options[name as keyof T];
  }
  return values;
}

/** A limit: an integer of at least 1, or `Infinity` where another bound holds. */
export function checkLimit(
  owner: string,
  option: string,
  value: number,
  infinite?: "or Infinity",
): number {
  const rule = infinite ? "an integer of at least 1, or Infinity" : "an integer of at least 1";
  checkKind(typeof value === "number", owner, option, rule, value);
  if (!(value >= 1 && (Number.isSafeInteger(value) || (infinite && value === Infinity)))) {
    throw new RangeError(complaint(owner, option, rule, value));
  }
  return value;
}

/** A duration in milliseconds: `Infinity` for never, and 0 only where `zero` says so. */
export function checkDuration(
  owner: string,
  option: string,
  value: number,
  zero?: "or zero",
): number {
  const rule = `${
    zero ? "at least 0" : "more than 0"
  } and at most ${MAX_DELAY} milliseconds, or Infinity`;
  checkKind(typeof value === "number", owner, option, rule, value);
  if (!((zero ? value >= 0 : value > 0) && (value <= MAX_DELAY || value === Infinity))) {
    throw new RangeError(complaint(owner, option, rule, value));
  }
  return value;
}

/** Anything that is called later. `undefined` passes where the option is `optional`. */
export function checkFunction<F>(
  owner: string,
  option: string,
  value: F,
  optional?: "optional",
): F {
  if (!(optional && value === undefined)) {
    checkKind(typeof value === "function", owner, option, "a function", value);
  }
  return value;
}

/** One of a few words. */
export function checkWord<W extends string>(
  owner: string,
  option: string,
  value: W,
  words: readonly W[],
): W {
  const rule = words.map((word) => `"${word}"`).join(" or ");
  checkKind(typeof value === "string", owner, option, rule, value);
  if (!words.includes(value)) throw new RangeError(complaint(owner, option, rule, value));
  return value;
}

/** Yes or no. */
export function checkFlag(owner: string, option: string, value: boolean): boolean {
  checkKind(typeof value === "boolean", owner, option, "a boolean", value);
  return value;
}

/** An abort signal of any realm, or nothing. */
export function checkSignal(
  owner: string,
  option: string,
  value: AbortSignal | undefined,
): AbortSignal | undefined {
  if (
    value !== undefined &&
    !(typeof value === "object" && value !== null && typeof value.aborted === "boolean" &&
      typeof value.addEventListener === "function")
  ) {
    throw new TypeError(complaint(owner, option, "an AbortSignal", value));
  }
  return value;
}

/** `BatchStream: option "maxItems" must be …; got …`. */
export function complaint(owner: string, option: string, rule: string, value: unknown): string {
  return `${owner}: option "${option}" must be ${rule}; got ${show(value)}`;
}

/** A value for a message. Never throws and never runs code of the value. */
export function show(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
    case "bigint":
      return `${value}n`;
    case "object":
      return value === null ? "null" : "an object";
    case "function":
      return "a function";
    default:
      return String(value);
  }
}

function checkKind(
  right: boolean,
  owner: string,
  option: string,
  rule: string,
  value: unknown,
): void {
  if (!right) throw new TypeError(complaint(owner, option, rule, value));
}

/** The known name that begins and ends most like `name`: a slip is in one place. */
function nearest(name: string, known: readonly string[]): string {
  const likeness = (other: string): number => {
    let [start, end] = [0, 0];
    while (start < other.length && other[start] === name[start]) start++;
    while (end < other.length - start && other.at(-1 - end) === name.at(-1 - end)) end++;
    return start + end - other.length;
  };
  return known.reduce((best, other) => likeness(other) > likeness(best) ? other : best);
}
