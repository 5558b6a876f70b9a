/** A runtime, as the gate sees it. */

import type { HostName } from "../../tests/support/host.ts";

/** The outcome of a test. */
export interface TestResult {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "expected" | "left out";
}

/** The report of a suite. */
export interface Report {
  readonly results: readonly TestResult[];
  /** Problems besides failed tests, such as a crashed runtime. */
  readonly complaints: readonly string[];
  /** Output that explains the failures. */
  readonly output: string;
}

/** A runtime for the suite. */
export interface Host {
  readonly name: HostName;
  /** Its name and version. Rejects with `Missing` if the machine has none. */
  title(): Promise<string>;
  /** Runs some test files. With `free` they have all permissions. */
  run(files: readonly string[], free?: boolean): Promise<Report>;
}

/** The reason why a runtime is left out, and what to install. */
export class Missing extends Error {}
