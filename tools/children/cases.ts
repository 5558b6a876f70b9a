/** All of them. */

import type { Case } from "./case.ts";
import { ends } from "./ends.ts";
import { failures } from "./failures.ts";
import { sizes } from "./sizes.ts";
import { waits } from "./waits.ts";

export const cases: readonly Case[] = [...ends, ...waits, ...failures, ...sizes];
