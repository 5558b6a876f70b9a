/** What a runtime is to the gate. */

import type { HostName } from "../../tests/support/host.ts";

/** How a test ended. */
export interface TestResult {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "expected" | "left out";
}

/** What came out of a suite. */
export interface Report {
  readonly results: readonly TestResult[];
  /** What is wrong beside the tests that failed, such as a runtime that crashed. */
  readonly complaints: readonly string[];
  /** What explains the failures. */
  readonly output: string;
}

/** A runtime that the suite runs in. */
export interface Host {
  readonly name: HostName;
  /** Its name and version; rejects with `Missing` on a machine that has none. */
  title(): Promise<string>;
  /** Run some test files; `free` ones may do whatever a program may. */
  run(files: readonly string[], free?: boolean): Promise<Report>;
}

/** Why a runtime is left out, and what to install. */
export class Missing extends Error {}
