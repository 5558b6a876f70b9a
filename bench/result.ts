/** What a run has found. */

import type { Size } from "../tools/size.ts";
import type { Originals } from "./go.ts";
import type { RuntimeName, Verdict } from "./targets.ts";
import type { Findings } from "./worker.ts";

/** What was measured in one runtime. */
export interface Result extends Findings {
  readonly runtime: RuntimeName;
  /** The runtime with its version. */
  readonly title: string;
  readonly date: string;
  readonly rounds: number;
  /** The median over the minimum of the usual case; NaN where no speed was measured. */
  readonly noise: number;
  readonly targets: readonly Verdict[];
}

/** All that a run has found. */
export interface Report {
  readonly results: readonly Result[];
  readonly sizes: Readonly<Record<string, Size>>;
  readonly go: Originals;
}
