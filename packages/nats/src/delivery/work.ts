/** Runs one handler, and settles its deliveries. */

import { type Call, type CallContext, complaintOf, isDelivery } from "./call.ts";
import type { Delivery } from "./delivery.ts";
import { readEntries } from "./entries.ts";
import { GivingUp, type Policy } from "./giving_up.ts";
import { combine, follow, isEcho, isThenable } from "./promises.ts";
import { Settling, type Trouble, type Troubles } from "./settling.ts";

/** The outcome of the deliveries that a handler got together. */
interface Outcome {
  readonly group: readonly Delivery<unknown>[];
  readonly result: unknown;
  readonly errors: readonly unknown[];
}

type Handler = (this: unknown, item: unknown, context: unknown) => unknown;

/** The engine of `acked`. */
export class Work {
  readonly settling: Settling = new Settling();
  readonly givingUp: GivingUp;
  readonly #handler: Handler;
  readonly #maxDeliveries: number | undefined;
  /** Whether the sink decides when a delivery has failed for good. */
  managed = false;
  /** Whether a sink has a timeout. */
  timed = false;
  /**
   * The attempt that a delivery is in, if there are timeouts: the outcome of an earlier one is
   * ignored. Not a weak map, which would cost more than everything else.
   */
  readonly #calls = new Map<Delivery<unknown>, Call>();
  /** The entries for done deliveries of a failed batch, which the sink may try again. */
  readonly #entries = new WeakMap<Delivery<unknown>, { readonly entry: unknown }>();

  constructor(handler: Handler, policy: Policy) {
    this.#handler = handler;
    this.#maxDeliveries = policy.maxDeliveries;
    this.givingUp = new GivingUp(policy, this.settling);
  }

  /** Runs the handler for a sink. */
  run(self: unknown, item: unknown, context: CallContext | undefined): unknown {
    const batch = Array.isArray(item);
    const all = (batch ? item : [item]) as readonly Delivery<unknown>[];
    const call: Call = { self, context, timed: this.timed, batch, all };
    const wrong = complaintOf(call, this.managed, this.#maxDeliveries);
    return wrong
      ? this.#ended(call, this.#fail(call, all.filter(isDelivery), [wrong], undefined))
      : this.#attempt(call);
  }

  /** Ends the attempt of these deliveries: everything that its handler does later is ignored. */
  over(deliveries: readonly Delivery<unknown>[]): void {
    for (const each of deliveries) this.#calls.delete(each);
  }

  #attempt(call: Call): unknown {
    const { all, context } = call;
    const attempt = context?.attempt ?? 1;
    // A delivery that was acked before the sink got it is handled nevertheless.
    const open = attempt > 1 ? all.filter(this.settling.isOpen) : all;
    if (call.timed) { for (const each of open) this.#calls.set(each, call); }
    if (attempt > 1) { for (const each of open) this.givingUp.try(each, false); }
    if (open.length === 0 && all.length > 0) return this.#resultOf(call, []);
    const max = this.#maxDeliveries;
    return max !== undefined && open.some(({ deliveries }) => deliveries! >= max)
      ? this.#apart(call, open, max)
      : this.#ended(call, this.#hand(call, open));
  }

  #ended(call: Call, outcome: Outcome | PromiseLike<Outcome>): unknown {
    return isThenable(outcome)
      ? outcome.then((outcome) => this.#end(call, [outcome]))
      : this.#end(call, [outcome]);
  }

  /**
   * Gives deliveries at their last delivery to the handler alone, after the rest. Those beyond it
   * go only to `onPoison`.
   */
  async #apart(call: Call, open: readonly Delivery<unknown>[], max: number): Promise<unknown> {
    const outcomes: Outcome[] = [];
    const once = [...new Set(open)];
    const ended = (): boolean => call.context?.signal?.aborted === true;
    const { isOpen } = this.settling;
    // Settled by the handler of the others, or by one that runs on after its timeout.
    const settled = (each: Delivery<unknown>): boolean => !isOpen(each) && !early.has(each);
    const early = new Set(once.filter((each) => !isOpen(each)));
    const rest = open.filter(({ deliveries }) => deliveries! < max);
    if (rest.length > 0) outcomes.push(await this.#hand(call, rest));
    for (const each of once.filter(({ deliveries }) => deliveries === max)) {
      if (ended()) break;
      if (settled(each)) continue;
      this.givingUp.try(each, true);
      outcomes.push(await this.#hand(call, [each]));
    }
    for (const each of once.filter(({ deliveries }) => deliveries! > max)) {
      if (ended()) break;
      if (isOpen(each)) outcomes.push(await this.#bury(call, each));
    }
    const handed = new Set(outcomes.flatMap(({ group }) => group));
    const left = once.filter((each) => isOpen(each) && !handed.has(each));
    for (const each of left) if (this.#isIn(call, each)) this.givingUp.spare(each);
    if (left.length > 0) {
      outcomes.push(await this.#fail(call, left, [call.context!.signal!.reason], undefined));
    }
    return this.#end(call, outcomes);
  }

  /** Gives up a delivery whose handlers have died with their processes. */
  async #bury(call: Call, delivery: Delivery<unknown>): Promise<Outcome> {
    const errors: unknown[] = [];
    try {
      errors.push(...(await this.givingUp.poison(delivery, undefined)).map(errorOf));
    } catch (error) {
      errors.push(error);
    }
    const group = [delivery];
    if (errors.length > 0) return this.#fail(call, group, errors, undefined);
    return { group, result: call.batch ? [undefined] : undefined, errors };
  }

  /** Runs the handler with a group, and settles the group. Never throws. */
  #hand(call: Call, group: readonly Delivery<unknown>[]): Outcome | PromiseLike<Outcome> {
    const { self, context, batch } = call;
    const failed = (error: unknown) => {
      for (const each of group) if (this.#isIn(call, each)) this.givingUp.fail(each, error);
      return this.#fail(call, group, [error], undefined);
    };
    // A copy, because the handler may change it, and the sink may pass the batch again.
    const given = batch ? group.slice() : group[0];
    return follow<unknown, Outcome>(
      () => this.#handler.call(self, given, context),
      (result) =>
        batch
          ? follow(
            () => readEntries(result, group.length),
            ({ result, failures }) => this.#done(call, group, result, failures),
            failed,
          )
          : this.#done(call, group, result, undefined),
      failed,
    );
  }

  /** Settles a group that the handler has done, except the failures. */
  #done(
    call: Call,
    group: readonly Delivery<unknown>[],
    result: unknown,
    failures: ReadonlyMap<number, unknown> | undefined,
  ): Outcome | PromiseLike<Outcome> {
    const partly = failures !== undefined && failures.size > 0;
    const bad = new Map<Delivery<unknown>, unknown>();
    if (partly) { for (const [place, error] of failures) bad.set(group[place]!, error); }
    const good = call.timed || partly
      ? group.filter((each) => !bad.has(each) && this.#isIn(call, each))
      : group;
    for (const [each, error] of bad) if (this.#isIn(call, each)) this.givingUp.fail(each, error);
    const told = this.settling.settle(good, (delivery) => delivery.ack());
    const next = (troubles: Troubles): Outcome | PromiseLike<Outcome> => {
      if (!partly && troubles.length === 0) return { group, result, errors: [] };
      for (const { delivery, error } of troubles) this.givingUp.done(delivery, error);
      if (Array.isArray(result)) {
        group.forEach((each, place) => {
          if (!bad.has(each)) this.#entries.set(each, { entry: result[place] });
        });
      }
      return this.#fail(call, group, [...bad.values(), ...troubles.map(errorOf)], result);
    };
    return isThenable(told) ? told.then(next) : next(told);
  }

  /** Fails the open deliveries. Without a sink that decides, they have failed for good now. */
  #fail(
    { context }: Call,
    group: readonly Delivery<unknown>[],
    errors: readonly unknown[],
    result: unknown,
  ): Outcome | PromiseLike<Outcome> {
    if (this.managed) return { group, result, errors };
    const open = group.filter(this.settling.isOpen);
    const signal = context?.signal;
    const told = signal?.aborted && errors.every((error) => isEcho(error, signal.reason))
      ? this.givingUp.discard(open)
      : this.givingUp.giveUp(open, errors[0]);
    const next = (troubles: Troubles): Outcome => {
      return { group, result, errors: [...errors, ...troubles.map(errorOf)] };
    };
    return isThenable(told) ? told.then(next) : next(told);
  }

  /** Returns the results to the sink, or throws one error. */
  #end(call: Call, outcomes: readonly Outcome[]): unknown {
    if (call.timed) {
      for (const each of call.all) if (this.#isIn(call, each)) this.#calls.delete(each);
    }
    const errors = outcomes.flatMap(({ errors }) => errors);
    if (errors.length === 0) return this.#resultOf(call, outcomes);
    const signal = new Set(errors).size > 1 ? call.context?.signal : undefined;
    // All errors only answer the abort, so none of them counts as a failure.
    if (signal?.aborted && errors.every((error) => isEcho(error, signal.reason))) throw errors[0];
    throw combine(errors);
  }

  /** Returns an entry for each delivery of the sink's batch, if the handler returns entries. */
  #resultOf({ all, batch }: Call, outcomes: readonly Outcome[]): unknown {
    const last = outcomes.at(-1);
    if (!batch || (last && last.group.length === all.length)) return last?.result;
    const entries = new Map<Delivery<unknown>, unknown>();
    for (const { group, result } of outcomes) {
      if (!Array.isArray(result) || result.length !== group.length) return result;
      group.forEach((each, place) => entries.set(each, result[place]));
    }
    return all.map((each) =>
      entries.has(each) ? entries.get(each) : this.#entries.get(each)?.entry
    );
  }

  #isIn(call: Call, delivery: Delivery<unknown>): boolean {
    return !call.timed || this.#calls.get(delivery) === call;
  }
}

function errorOf({ error }: Trouble): unknown {
  return error;
}
