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

/** A count, as an upper or a lower limit. */
export const LIMIT: Rule = [
  "number",
  "be an integer of at least 1",
  (value: number) => Number.isSafeInteger(value) && value >= 1,
];

/** A delay in milliseconds that a timer can wait. */
export const DELAY: Rule = [
  "number",
  "be from 0 to 2147483647 milliseconds",
  (value: number) => value >= 0 && value <= 2 ** 31 - 1,
];

/** An object with some methods, of any copy of a package. */
export function has(words: string, ...methods: readonly string[]): Rule {
  const keeps = (value: Record<string, unknown> | null): boolean =>
    value !== null && methods.every((method) => typeof value[method] === "function");
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

/** Checks all options of a function, and that the required ones are there. */
export function checkAll<T extends object>(
  owner: string,
  options: T,
  rules: Rules<keyof T>,
  ...required: readonly (keyof T & string)[]
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
  for (const name of required) check(owner, name, options[name], rules[name]);
}

/** Shows a value in a message. It never throws and never runs code of the value. */
export function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  return Object(value) === value ? "an object" : String(value);
}
