/** A deliberate bug, the shape of a real one, that the suite has to catch. */
export interface Planted {
  readonly name: string;
  /** Where somebody was bitten. */
  readonly shape: string;
  /** What goes wrong. */
  readonly wrong: string;
  /** The rule or fault of docs/contract.md that a failing test has to name. */
  readonly rule: string;
  /** What the names of the test files begin with. */
  readonly tests: readonly string[];
  /** Under `src`. */
  readonly file: string;
  /** Text that is there exactly once, and what stands in its place. */
  readonly edits: readonly (readonly [find: string, replace: string])[];
}
