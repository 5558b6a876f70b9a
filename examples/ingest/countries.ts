/** Names of countries, from a slow source. */

import { setTimeout as sleep } from "node:timers/promises";
import { Singleflight } from "../../mod.ts";

/** Asks the source once for each code, however many callers ask, at once or later. */
export class Countries {
  /** How often callers asked for a name. */
  asked = 0;
  /** How often the program asked the source. */
  made = 0;

  readonly #flights = new Singleflight<string, string>({ cache: new Map() });
  readonly #source = new Intl.DisplayNames("en", { type: "region" });
  readonly #latency: number;

  constructor(latency: number) {
    this.#latency = latency;
  }

  /** Returns the name for a code. Rejects at once when `signal` aborts. */
  name(code: string, signal: AbortSignal): Promise<string> {
    this.asked++;
    return this.#flights.do(code, (execution) => this.#ask(code, execution.signal), { signal });
  }

  /** The signal aborts when no caller waits for the answer any more. */
  async #ask(code: string, signal: AbortSignal): Promise<string> {
    this.made++;
    await sleep(this.#latency, undefined, { signal });
    return this.#source.of(code) ?? code;
  }
}
