/** Why mutants that survive are no hole in the tests. */

/** A reason, and the survivors that it is the reason of. */
export interface Reason {
  readonly reason: string;
  readonly mutants: readonly Excused[];
}

/** As the report names it. */
export interface Excused {
  readonly file: string;
  readonly before: string;
  readonly after: string;
}

/** The reasons, in the order of the page. */
export const reasons: readonly Reason[] = [];
