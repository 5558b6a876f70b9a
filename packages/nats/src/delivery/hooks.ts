/** The hooks by which a sink reports that an item has failed for good, or was discarded. */

import { check, FUNCTION, show } from "../options.ts";
import type { Delivery } from "./delivery.ts";
import { combine, follow, isThenable } from "./promises.ts";
import { surface, type Troubles } from "./settling.ts";
import type { Work } from "./work.ts";

type Hook = (...told: unknown[]) => unknown;

/** The options of a sink that matter here. */
interface Hooks {
  readonly onError?: Hook | undefined;
  readonly onDiscard?: Hook | undefined;
  readonly retry?: Hook | undefined;
  readonly timeout?: unknown;
}

/**
 * Returns the same options, with hooks that settle deliveries before they call the user's hooks.
 */
export function hooked<O extends object>(work: Work, options: O): O {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`acked.options: options must be a plain object; got ${show(options)}`);
  }
  const read: Hooks = { ...options };
  for (const name of ["onError", "onDiscard", "retry"] as const) {
    if (read[name] !== undefined) check("acked.options", name, read[name], FUNCTION);
  }
  const { onError, onDiscard, retry, timeout } = read;
  work.managed = true;
  work.timed ||= timeout !== undefined && timeout !== Infinity;
  const hooks: Hooks = {
    ...read,
    onError: (error, item, ...rest) => failed(work, onError, timeout, error, item, rest),
    onDiscard: (items, reason) => discarded(work, onDiscard, items as unknown[], reason),
    ...(retry && {
      retry: (error, attempt, item) => {
        const list = listOf(item);
        work.over(list);
        const open = list.filter(work.settling.isOpen);
        // Nothing is left to try again.
        if (open.length === 0) return undefined;
        return retry(error, attempt, Array.isArray(item) ? open : item);
      },
    }),
  };
  return hooks as O;
}

function failed(
  work: Work,
  onError: Hook | undefined,
  timeout: unknown,
  error: unknown,
  item: unknown,
  rest: readonly unknown[],
): unknown {
  const list = listOf(item);
  work.over(list);
  const open = list.filter(work.settling.isOpen);
  const limit = typeof timeout === "number" ? timeout : undefined;
  const told = work.givingUp.giveUp(open, error, limit);
  const next = (troubles: Troubles): unknown => {
    // One report for each error, with its deliveries.
    const reports = new Map<unknown, unknown>([[error, Array.isArray(item) ? open : item]]);
    const more = new Map<unknown, Delivery<unknown>[]>();
    for (const { delivery, error: each } of troubles) {
      if (each !== error) more.set(each, [...more.get(each) ?? [], delivery]);
    }
    for (const [each, deliveries] of more) {
      reports.set(each, Array.isArray(item) ? deliveries : item);
    }
    if (!onError) throw combine(reports.keys());
    if (reports.size === 1) return onError(error, reports.get(error), ...rest);
    return tellAll(onError, reports, rest);
  };
  return isThenable(told) ? told.then(next) : next(told);
}

async function tellAll(
  onError: Hook,
  reports: ReadonlyMap<unknown, unknown>,
  rest: readonly unknown[],
): Promise<void> {
  const thrown: unknown[] = [];
  for (const [error, told] of reports) {
    await follow(() => onError(error, told, ...rest), () => {}, (error) => void thrown.push(error));
  }
  if (thrown.length > 0) throw combine(thrown);
}

function discarded(
  work: Work,
  onDiscard: Hook | undefined,
  items: readonly unknown[],
  reason: unknown,
): void {
  const list = items.flatMap(listOf);
  const open = new Set(list.filter(work.settling.isOpen));
  const left = items.flatMap((item) => {
    if (!Array.isArray(item)) return open.has(item as Delivery<unknown>) ? [item] : [];
    const some = item.filter((each) => open.has(each));
    return some.length > 0 ? [some] : [];
  });
  const troubles = work.givingUp.discard([...open]);
  const errors: unknown[] = [];
  try {
    if (left.length > 0) onDiscard?.(left, reason);
  } catch (error) {
    errors.push(error);
  }
  surface(troubles, errors);
}

function listOf(item: unknown): Delivery<unknown>[] {
  return (Array.isArray(item) ? item : [item]) as Delivery<unknown>[];
}
