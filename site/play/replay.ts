/** What the page and its worker say to each other about a replay. */

/** What the page asks: a path of an exploration, as `deno task explore --path` takes it. */
export interface Question {
  readonly exploration: string;
  readonly path: string;
}

/** One turn of a path, and how the sink stands after it. */
export interface Turn {
  readonly events: string;
  readonly stats: Readonly<Record<string, number>>;
  /** What has become of each item, in the order in which they came. */
  readonly items: readonly string[];
}

/** What came of it. */
export interface Answer extends Question {
  readonly turns: readonly Turn[];
  /** What can come next, with its joint: `, push` or ` & push`. */
  readonly next: readonly string[];
  /** Whether nothing that is done now changes anything. */
  readonly ended: boolean;
  /** What the model complains of. */
  readonly failure?: string;
}

/** A sink that the explorer plays, and its events. */
export interface Described {
  readonly name: string;
  /** What it is made with. */
  readonly setup: string;
  readonly events: readonly string[];
}
