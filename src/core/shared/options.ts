/**
 * Reads and checks options once, at the door. The code inside trusts them.
 *
 * A value of the wrong kind is a `TypeError`, and a wrong value is a `RangeError`. Both look like
 * `BatchStream: option "maxItems" must be an integer of at least 1; got NaN`.
 */

/**
 * What a value must be: its `typeof`, the rule in words, and whether a value of that kind keeps the
 * rule.
 */
export type Rule = readonly [kind: string, words: string, keeps?: (value: never) => boolean];

/** A rule for each option. */
export type Rules<Name extends PropertyKey> = Readonly<Record<Name, Rule>>;

/** The longest delay that `setTimeout` supports; with a longer one, platforms fire at once. */
const MAX_DELAY = 2147483647;

const isLimit = (value: number): boolean => Number.isSafeInteger(value) && value >= 1;
const isDuration = (value: number): boolean =>
  value > 0 && (value <= MAX_DELAY || value === Infinity);
const isDelay = (value: number): boolean => value >= 0 && value <= MAX_DELAY;

/** A number of items or handlers. */
export const LIMIT: Rule = ["number", "be an integer of at least 1", isLimit];

/** A number of items; `Infinity` for no limit, where another limit may hold. */
export const LIMIT_OR_NONE: Rule = [
  "number",
  "be an integer of at least 1, or Infinity",
  (value: number) => isLimit(value) || value === Infinity,
];

/** A number of items or handlers, 0 included. */
export const COUNT: Rule = [
  "number",
  "be an integer of at least 0",
  (value: number) => value === 0 || isLimit(value),
];

/** A number of items, 0 included; `Infinity` for no limit, where another limit may hold. */
export const LIMIT_OR_ZERO: Rule = [
  "number",
  "be an integer of at least 0, or Infinity",
  (value: number) => value === 0 || isLimit(value) || value === Infinity,
];

/** A time in milliseconds; `Infinity` for never. */
export const DURATION: Rule = [
  "number",
  `be more than 0 and at most ${MAX_DELAY} milliseconds, or Infinity`,
  isDuration,
];

/** A time in milliseconds, 0 included; `Infinity` for never. */
export const LINGER: Rule = [
  "number",
  `be at least 0 and at most ${MAX_DELAY} milliseconds, or Infinity`,
  (value: number) => value === 0 || isDuration(value),
];

/** A weight. It may be a fraction, and `Infinity` is no limit. */
export const POSITIVE: Rule = ["number", "be more than 0", (value: number) => value > 0];

const isWeight = (value: unknown): boolean =>
  typeof value === "number" && value >= 0 && value < Infinity;
const WEIGHT: Rule = ["number", "return a finite number of at least 0", isWeight];

/** Whether a timeout frees the slot. */
export const OVERRUN: Rule = [
  "string",
  'be "release" or "hold"',
  (value: string) => value === "release" || value === "hold",
];

/** A time in milliseconds, 0 included, but not `Infinity`. */
export const PAUSE: Rule = [
  "number",
  `be at least 0 and at most ${MAX_DELAY} milliseconds`,
  isDelay,
];

/** A delay that a function returns, or `undefined` to give up. */
export const DELAY: Rule = [
  "number",
  `return at least 0 and at most ${MAX_DELAY} milliseconds, or undefined`,
  isDelay,
];

/** A function that is called later. */
export const FUNCTION: Rule = ["function", "be a function"];

/** The name of an object. */
export const NAME: Rule = ["string", "be a string"];

/** True or false. */
export const FLAG: Rule = ["boolean", "be a boolean"];

const isSignal = (value: Partial<AbortSignal> | null): boolean =>
  typeof value?.aborted === "boolean" && typeof value.removeEventListener === "function";

/** An abort signal of any realm. */
export const SIGNAL: Rule = ["object", "be an AbortSignal", isSignal];

/** Throws unless `value` keeps the rule of an option; returns `value`. */
export function check<V>(owner: string, option: string, value: V, [kind, words, keeps]: Rule): V {
  const given: string = typeof value;
  const right = given === kind;
  if (right && (!keeps || keeps(value as never))) return value;
  // An object of another shape is of another kind, too.
  const Wrong = right && kind !== "object" ? RangeError : TypeError;
  throw new Wrong(`${owner}: option "${option}" must ${words}; got ${show(value)}`);
}

/**
 * Checks the options of a constructor, and returns a copy of them. Options are a plain object,
 * because other objects, passed by mistake, have no options as own properties.
 */
export function readOptions<T extends object>(
  owner: string,
  options: T | undefined,
  rules: Rules<keyof T>,
): Partial<T> {
  const values: Partial<T> = Object.create(null);
  if (options === undefined) return values;
  // An object is plain if it has no prototype, or only an `Object.prototype` of any realm. No
  // primitive is plain.
  const proto = Object.getPrototypeOf(options ?? 0);
  if (proto && Object.getPrototypeOf(proto)) refuse(owner, "a plain object", options);
  for (const name of Reflect.ownKeys(options) as (keyof T & string)[]) {
    if (!Object.hasOwn(rules, name)) {
      const known = Object.keys(rules);
      const meant = known.find((each) => isNear(String(name), each, 2));
      const hint = meant ? `did you mean "${meant}"?` : `there are ${known.join(", ")}`;
      throw new TypeError(`${owner}: unknown option ${show(name)}; ${hint}`);
    }
    const value = options[name];
    if (value !== undefined) values[name] = check(owner, name, value, rules[name]);
  }
  return values;
}

/** The weight that a function gives an item. */
export function weightOf<T>(
  owner: string,
  option: string,
  weigh: (item: T) => number,
  item: T,
): number {
  const weight = weigh(item);
  // This calls `check` only for a wrong weight, not for each item.
  return isWeight(weight) ? weight : check(owner, option, weight, WEIGHT);
}

/** Throws: an item is heavier than a limit. */
export function overweight(owner: string, weight: number, option: string, limit: number): never {
  const rule = `is over option "${option}" of ${limit}`;
  throw new RangeError(`${owner}: an item of weight ${weight} ${rule}`);
}

/** Throws if an option is given without another that it needs. */
export function needs<T>(
  owner: string,
  values: T,
  option: keyof T & string,
  other: keyof T & string,
): void {
  if (values[option] !== undefined && values[other] === undefined) {
    throw new TypeError(`${owner}: option "${option}" needs option "${other}"`);
  }
}

/**
 * The signal in the options of a call. Any object may be such options, for example a handler's
 * context.
 */
export function readSignal(
  owner: string,
  options: { readonly signal?: AbortSignal | undefined } | undefined,
  method: string = "",
): AbortSignal | undefined {
  // Most calls have no options: for them, this doesn't even build a string.
  if (options === undefined) return;
  const caller = owner + method;
  const signal = options?.signal;
  if (signal !== undefined) return check(caller, "signal", signal, SIGNAL);
  if (typeof options !== "object" || !options || isSignal(options as object)) {
    refuse(caller, "an object", options);
  }
}

function refuse(owner: string, rule: string, given: object | null): never {
  throw new TypeError(
    `${owner}: options must be ${rule}; got ${given?.constructor?.name ?? given}`,
  );
}

/** Shows a value in a message. Never throws and never runs code of the value. */
export function show(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  }
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "a function";
  return Object(value) === value ? "an object" : String(value);
}

/** Whether the names are equal after at most `edits` letters are added or removed. */
function isNear(name: string, known: string, edits: number): boolean {
  const [rest, others] = [name.slice(1), known.slice(1)];
  if (name === known) return true;
  if (name[0] === known[0]) return isNear(rest, others, edits);
  return edits-- > 0 && (isNear(rest, known, edits) || isNear(name, others, edits));
}
