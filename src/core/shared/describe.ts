import { show } from "./options.ts";

type Inspect = (value: unknown, options: unknown) => string;

/** The name of an object in messages. */
export function titleOf(owner: string, name: string | undefined): string {
  return name === undefined ? owner : `${owner} ${show(name)}`;
}

/**
 * Makes `console.log` show an object as its title and its `stats`, without its internals. It
 * defines the properties on the object itself, because a bundler does not drop a class whose
 * members have such keys.
 */
export function describe(object: { readonly stats: object }, title: string): void {
  const inspect = {
    // Deno passes no depth before the options, and `inspect` instead of them.
    value: (depth: unknown, options: unknown, inspect = depth as Inspect): string =>
      `${title} ${inspect(object.stats, options)}`,
  };
  Object.defineProperties(object, {
    [Symbol.toStringTag]: { value: title.split(" ")[0] },
    [Symbol.for("Deno.customInspect")]: inspect,
    [Symbol.for("nodejs.util.inspect.custom")]: inspect,
  });
}
