/** All cases. */

import type { Case } from "./case.ts";
import { ends } from "./ends.ts";
import { failures } from "./failures.ts";
import { overflows } from "./overflows.ts";
import { pipelines } from "./pipelines.ts";
import { sinkFailures } from "./sink_failures.ts";
import { sizes } from "./sizes.ts";
import { shown } from "./shown.ts";
import { surroundings } from "./surroundings.ts";
import { transformEnds } from "./transform_ends.ts";
import { waits } from "./waits.ts";

export const cases: readonly Case[] = [
  ...transformEnds,
  ...pipelines,
  ...ends,
  ...waits,
  ...sinkFailures,
  ...failures,
  ...overflows,
  ...sizes,
  ...shown,
  ...surroundings,
];
