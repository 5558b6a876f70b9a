/** What all ways to do one thing have in common: ours, and those of the peers. */

/** One way to do a thing. */
export interface Way {
  readonly name: string;
  /**
   * What it stands for in the tables: what the platform takes, the same job by hand, ours, and what
   * others made.
   */
  readonly kind: "floor" | "ideal" | "weir" | "peer";
  /** Whether it holds few items at once, however fast they come; nothing where none are held. */
  readonly bounded?: boolean | undefined;
}
