/** A model of a throttle by its rules. */

import type { ThrottleEdge } from "../../mod.ts";

/** The action of a throttled function. */
export type Act = "nothing" | "trigger" | "flush" | "cancel";

/** One trigger. */
export interface Trigger {
  readonly id: number;
  readonly act: Act;
  /** A trigger inside the function. */
  readonly inside: Trigger | undefined;
}

/** The expected calls, by time. */
export class ThrottleModel {
  readonly passed: Trigger[] = [];
  accepted = 0;
  dropped = 0;
  discarded = 0;
  pending: { readonly trigger: Trigger; readonly due: number } | undefined;
  /** The time from which the next trigger passes at once. */
  #until = -Infinity;
  readonly #edge: ThrottleEdge;
  readonly #interval: number;

  constructor(edge: ThrottleEdge, interval: number) {
    this.#edge = edge;
    this.#interval = interval;
  }

  /** Whether a trigger would pass at once. */
  isQuiet(now: number): boolean {
    return this.#edge !== "trailing" && !this.pending && now >= this.#until;
  }

  trigger(trigger: Trigger, now: number): boolean {
    this.accepted++;
    if (this.isQuiet(now)) {
      this.#pass(trigger, now);
      return true;
    }
    const over = this.pending && this.pending.due <= now ? this.pending.trigger : undefined;
    if (over) {
      this.pending = undefined;
      this.#until = now + this.#interval;
    }
    if (this.pending || this.#edge === "leading") this.dropped++;
    if (this.#edge === "leading") return false;
    const due = this.#edge === "both" ? this.#until : now + this.#interval;
    this.pending = { trigger, due: this.pending?.due ?? due };
    if (over) this.#pass(over, now);
    return false;
  }

  flush(now: number): void {
    const { pending } = this;
    this.pending = undefined;
    if (pending) this.#pass(pending.trigger, now);
  }

  cancel(): void {
    if (this.pending) this.discarded++;
    this.pending = undefined;
  }

  /** Called after timers have run. */
  fire(now: number): void {
    if (this.pending && this.pending.due <= now) this.flush(now);
  }

  #pass(trigger: Trigger, now: number): void {
    this.passed.push(trigger);
    this.#until = now + this.#interval;
    const { act, inside } = trigger;
    if (inside) this.trigger(inside, now);
    else if (act === "flush") this.flush(now);
    else if (act === "cancel") this.cancel();
  }
}
