/** The events of a transform's explorations, by name. */

import type { TransformStep } from "./transform_run.ts";

/** Events of any transform, by name, with the kinds of items by name. */
export function transformEvents<I>(
  items: Readonly<Record<string, I>>,
): Readonly<Record<string, TransformStep<I>>> {
  const writes = Object.entries(items).map(([name, item]): [string, TransformStep<I>] => {
    return [`write ${name}`.trim(), { do: "write", items: [item] }];
  });
  return {
    ...Object.fromEntries(writes),
    read: { do: "read" },
    close: { do: "close" },
    cancel: { do: "cancel", asks: false },
    abort: { do: "abort", asks: false },
    signal: { do: "signal", asks: false },
  };
}
