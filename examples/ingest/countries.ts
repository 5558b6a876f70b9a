/** The names of countries, from a source that is slow. */

import { setTimeout as sleep } from "node:timers/promises";
import { Singleflight } from "../../mod.ts";

/** However many ask for a code, and whether at once or later, the source is asked once. */
export class Countries {
  /** How often a name was asked for. */
  asked = 0;
  /** How often the source was. */
  made = 0;

  readonly #flights = new Singleflight<string, string>({ cache: new Map() });
  readonly #source = new Intl.DisplayNames("en", { type: "region" });
  readonly #latency: number;

  constructor(latency: number) {
    this.#latency = latency;
  }

  /** The name for a code. Rejects at once when `signal` aborts. */
  name(code: string, signal: AbortSignal): Promise<string> {
    this.asked++;
    return this.#flights.do(code, (flight) => this.#ask(code, flight.signal), { signal });
  }

  /** The signal is the flight's: it aborts when nobody waits for the answer any more. */
  async #ask(code: string, signal: AbortSignal): Promise<string> {
    this.made++;
    await sleep(this.#latency, undefined, { signal });
    return this.#source.of(code) ?? code;
  }
}
