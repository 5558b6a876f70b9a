/** The order of the pages. The build fails for a page of docs/ that is not here. */

/** A page by its path in the repository, with a title if its heading is too long. */
interface Page {
  readonly title: string;
  readonly path: string;
}

/** A part of the sidebar. A text is the path of a page, or of all pages of a folder by `*`. */
export interface Part {
  readonly title: string;
  readonly entries: readonly (string | Page | Part)[];
}

/** All of them. */
export const sidebar: readonly Part[] = [
  {
    title: "Start",
    entries: [
      { title: "What weir is", path: "README.md" },
      "docs/index.md",
      { title: "About the play page", path: "docs/play.md" },
      "examples/README.md",
    ],
  },
  {
    title: "Primitives",
    entries: [
      "docs/batch-stream.md",
      "docs/chunk-stream.md",
      "docs/fixed-chunk-stream.md",
      "docs/map-stream.md",
      "docs/throttle.md",
      "docs/fanout.md",
      "docs/aggregator.md",
      "docs/singleflight.md",
      "docs/rate-limit.md",
      "docs/retry.md",
      "docs/overload.md",
    ],
  },
  {
    title: "Guides",
    entries: ["docs/errors.md", "docs/migration.md", "docs/from-go.md"],
  },
  {
    title: "Recipes",
    entries: [
      "docs/recipes/*.md",
      { title: "The code of the recipes", entries: ["examples/recipes/*.ts"] },
    ],
  },
  {
    title: "Platforms",
    entries: [
      "docs/node-streams.md",
      "docs/edge.md",
      { title: "Browsers", path: "docs/browser.md" },
      "docs/runtimes.md",
    ],
  },
  {
    title: "Packages",
    entries: ["packages/nats/README.md", "packages/opentelemetry/README.md"],
  },
  {
    title: "In depth",
    entries: [
      "docs/performance.md",
      "docs/performance-notes.md",
      "docs/contract.md",
      "docs/mutation.md",
      "ARCHITECTURE.md",
    ],
  },
  {
    title: "Project",
    entries: ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"],
  },
];
