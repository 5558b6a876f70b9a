/**
 * Checks options at the entry, in the same way as `@weir/streams`. The rest of the code trusts
 * them.
 */

/** A rule for a value: its `typeof`, the rule in words, and a test for values of that type. */
export type Rule = readonly [kind: string, words: string, keeps?: (value: never) => boolean];

/** A rule for each option. */
export type Rules<Name extends PropertyKey> = Readonly<Record<Name, Rule>>;

/** A function that is called later. */
export const FUNCTION: Rule = ["function", "be a function"];

/** A name that is shown. */
export const NAME: Rule = [
  "string",
  "be a string that is not empty",
  (value: string) => value !== "",
];

/** Attributes of the OpenTelemetry API. The SDK throws on a bigint when it collects metrics. */
export const ATTRIBUTES: Rule = [
  "object",
  "be an object whose values are strings, numbers, booleans or arrays of them",
  (value: unknown) =>
    value !== null && !Array.isArray(value) && Object.values(value as object).flat().every(isPlain),
];

function isPlain(value: unknown): boolean {
  return value == null || ["string", "number", "boolean"].includes(typeof value);
}

/** A `Meter` of any copy of the API. */
export const METER: Rule = has("be a Meter", "addBatchObservableCallback");

/** A `Tracer` of any copy of the API. */
export const TRACER: Rule = has("be a Tracer", "startSpan");

function has(words: string, method: string): Rule {
  const keeps = (value: Record<string, unknown> | null): boolean =>
    typeof value?.[method] === "function";
  return ["object", words, keeps];
}

/** Returns `value` if it keeps the rule of its option, and throws otherwise. */
export function check<V>(owner: string, option: string, value: V, [kind, words, keeps]: Rule): V {
  const given: string = typeof value;
  const right = given === kind;
  if (right && (!keeps || keeps(value as never))) return value;
  const Wrong = right && kind !== "object" ? RangeError : TypeError;
  throw new Wrong(`${owner}: option "${option}" must ${words}; got ${show(value)}`);
}

/** Checks all options of a function, one of which is required. */
export function checkAll<T extends object>(
  owner: string,
  options: T,
  rules: Rules<keyof T>,
  required: keyof T & string,
): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`${owner}: options must be a plain object; got ${show(options)}`);
  }
  for (const name of Object.keys(options) as (keyof T & string)[]) {
    if (!Object.hasOwn(rules, name)) {
      const known = Object.keys(rules).join(", ");
      throw new TypeError(`${owner}: unknown option ${show(name)}; there are ${known}`);
    }
    if (options[name] !== undefined) check(owner, name, options[name], rules[name]);
  }
  check(owner, required, options[required], rules[required]);
}

/** Shows a value in a message. It never throws and never runs code of the value. */
export function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  return Object(value) === value ? "an object" : String(value);
}
