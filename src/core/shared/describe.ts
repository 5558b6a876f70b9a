import { show } from "./options.ts";

type Inspect = (value: unknown, options: unknown) => string;

/** What an object is called in messages. */
export function titleOf(owner: string, name: string | undefined): string {
  return name === undefined ? owner : `${owner} ${show(name)}`;
}

/**
 * Has `console.log` show an object as its title and its `stats`, and nothing that is inside. By
 * properties of its own: a bundler keeps a class whose members have such keys.
 */
export function describe(object: { readonly stats: object }, title: string): void {
  const inspect = {
    // Deno gives no depth before the options, and `inspect` in its place.
    value: (depth: unknown, options: unknown, inspect = depth as Inspect): string =>
      `${title} ${inspect(object.stats, options)}`,
  };
  Object.defineProperties(object, {
    [Symbol.toStringTag]: { value: title.split(" ")[0] },
    [Symbol.for("Deno.customInspect")]: inspect,
    [Symbol.for("nodejs.util.inspect.custom")]: inspect,
  });
}
