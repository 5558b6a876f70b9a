/** The pages of the site as vitepress wants them: Markdown whose links go to pages and files of the site. */

import { basename, dirname, extname, join } from "node:path/posix";
import { mapLinks, withoutTags } from "./markdown.ts";
import { filesIn, isCopied, relative, sitePath } from "./paths.ts";

/** What one finds by the sidebar. */
const DOCUMENTS = [
  "README.md",
  "ARCHITECTURE.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
];
const RECIPES = "examples/recipes";
/** The page of `deno task play` is built from it. */
const PLAY = "site/play";

const LANGUAGES: Record<string, string> = { ".yml": "yaml", ".mts": "ts", ".mod": "go", "": "txt" };

/** What is collected. */
export interface Pages {
  /** The Markdown of each page, by its path in the repository. */
  readonly pages: ReadonlyMap<string, string>;
  /** Pages that must be in the sidebar. */
  readonly documents: readonly string[];
  /** Files to copy. */
  readonly files: ReadonlySet<string>;
  /** Links to files that the repository doesn't have. */
  readonly broken: readonly string[];
}

/** Collects the documents, every file that they link, and some sources. */
export async function collect(sources: Iterable<string> = []): Promise<Pages> {
  const documents = await listDocuments();
  const pages = new Map<string, string>();
  const files = new Set<string>();
  const broken: string[] = [];
  const queue = new Set([...documents, ...sources]);
  for (const path of queue) {
    const text = await pageOf(path);
    const links = new Map<string, string>();
    mapLinks(text, (target) => links.set(target, target) && target);
    for (const target of links.keys()) {
      const found = await resolve(path, target);
      if (found === undefined) continue;
      if (found === null) {
        broken.push(`${path}: ${target}`);
        continue;
      }
      if (isCopied(found.path)) files.add(found.path);
      else if (found.path !== PLAY) queue.add(found.path);
      links.set(target, linkTo(path, found));
    }
    pages.set(
      path,
      mapLinks(text, (target, image) => {
        const address = links.get(target)!;
        // An image of vitepress is a file below its root.
        return image && address !== target ? address.replace(/^(\.\.?\/)+/, "/") : address;
      }),
    );
  }
  return { pages, documents, files, broken };
}

async function listDocuments(): Promise<string[]> {
  const docs = (await filesIn("docs")).filter((path) => path.endsWith(".md"));
  const recipes = (await filesIn(RECIPES)).filter((path) => path.endsWith(".ts"));
  const readmes: string[] = ["examples/README.md"];
  for await (const { name, isDirectory } of Deno.readDir("packages")) {
    if (isDirectory) readmes.push(`packages/${name}/README.md`);
  }
  return [
    ...DOCUMENTS,
    ...docs.map((path) => `docs/${path}`),
    ...readmes.sort(),
    ...recipes.map((path) => `${RECIPES}/${path}`),
  ];
}

interface Found {
  readonly path: string;
  readonly hash: string;
}

/** What a link of a page names: nothing for links to elsewhere and within the page, null for a broken one. */
async function resolve(from: string, target: string): Promise<Found | null | undefined> {
  if (/^([a-z][a-z+.-]*:|\/\/|#)/i.test(target)) return undefined;
  const [, link, hash] = /^([^#?]*)[^#]*(#.*)?$/.exec(target)!;
  const path = join(dirname(from), decodeURIComponent(link!)).replace(/\/$/, "");
  if (path === PLAY || path.startsWith(`${PLAY}/`)) return { path: PLAY, hash: hash ?? "" };
  if (path.startsWith("..") || link!.startsWith("/")) return null;
  const info = await Deno.stat(path).catch(() => null);
  if (info === null) return null;
  if (info.isFile) return { path, hash: hash ?? "" };
  const readme = `${path}/README.md`;
  const isThere = await Deno.stat(readme).then(() => true, () => false);
  return { path: isThere ? readme : path, hash: hash ?? "" };
}

function linkTo(from: string, { path, hash }: Found): string {
  const here = sitePath(from);
  if (path === PLAY) return relative(here, "play/index.html");
  // A line of a file has no place on its page.
  return relative(here, sitePath(path)) + (path.endsWith(".md") ? hash : "");
}

async function pageOf(path: string): Promise<string> {
  const info = await Deno.stat(path);
  if (info.isDirectory) return await listing(path);
  const text = await Deno.readTextFile(path);
  return path.endsWith(".md") ? text : await codePage(path, text);
}

/** A page of a file: its first comment, and the code. */
async function codePage(path: string, text: string): Promise<string> {
  const [whole, comment = ""] = /^\/\*\*([^]*?)\*\/\s*/.exec(text) ?? [""];
  const about = comment.replaceAll(/^[ \t]*\*? ?/gm, "").replaceAll(/\{@link (\S+?)\}/g, "`$1`");
  const code = text.slice(whole.length).trimEnd();
  const ticks = code.match(/`{3,}/g)?.sort().at(-1) ?? "``";
  const extension = extname(path);
  const language = LANGUAGES[extension] ?? extension.slice(1);
  return [
    frontmatter(path.startsWith(`${RECIPES}/`)),
    `# \`${basename(path)}\``,
    withoutTags(about.trim()),
    `\`${path}\`. ${await wayBack(path)}`,
    `${ticks}\`${language}\n${code}\n${ticks}\``,
  ].join("\n\n");
}

/** Where a reader of a file goes next. */
async function wayBack(path: string): Promise<string> {
  const pages = [
    ...(path.startsWith(`${RECIPES}/`) ? ["docs/recipes/README.md"] : []),
    ...(path.startsWith("examples/") ? ["examples/README.md"] : ["README.md"]),
  ];
  const links = await Promise.all(pages.map(async (page) => {
    const title = headingOf(await Deno.readTextFile(page));
    return `[${title}](${relative(path, page)})`;
  }));
  return `Back to ${links.join(" or ")}.`;
}

/** A page of a folder without a README: its files. */
async function listing(folder: string): Promise<string> {
  const items = (await filesIn(folder)).map((path) => `- \`${path}\``);
  return [frontmatter(false), `# \`${folder}\``, items.join("\n")].join("\n\n");
}

function frontmatter(searched: boolean): string {
  return `---\nsearch: ${searched}\naside: false\n---`;
}

/** The first heading of a page. */
export function headingOf(text: string): string {
  return /^# (.*)$/m.exec(text)?.[1]?.replaceAll("`", "") ?? "";
}
