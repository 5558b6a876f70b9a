/** Where the files of the repository are on the site. */

/** Files that are copied. Other files become pages. */
const COPIED = /\.(svg|png|jpe?g|gif|webp|json|txt)$/;

/** Whether a file is copied as it is. */
export function isCopied(path: string): boolean {
  return COPIED.test(path);
}

/** The path of a file on the site: that of a page ends in `.md`, as vitepress wants it. */
export function sitePath(path: string): string {
  // Vitepress and many hosts leave out what begins with a dot.
  const visible = path.replace(/^docs\//, "").replace(/(^|\/)\.+/g, "$1");
  if (isCopied(path)) return visible;
  // The first page of the site is the README.
  if (path === "docs/index.md") return "pages.md";
  const page = visible.replace(/(^|\/)README\.md$/, "$1index").replace(/\.[^./]+$/, "");
  return `${page.includes("/") ? page : page.toLowerCase()}.md`;
}

/** The address of a file on the site: that of an index is its folder. */
export function addressOf(path: string): string {
  return sitePath(path).replace(/(^|\/)index\.md$/, "$1").replace(/\.md$/, ".html");
}

/** A path of the site as another one links to it. */
export function relative(from: string, to: string): string {
  const [source, target] = [from.split("/").slice(0, -1), to.split("/")];
  let common = 0;
  while (common < source.length && source[common] === target[common]) common++;
  const up = source.slice(common).map(() => "..");
  return [...(up.length > 0 ? up : ["."]), ...target.slice(common)].join("/");
}

/** Every file below a folder, sorted, as seen from it. */
export async function filesIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (!isDirectory) found.push(name);
    else {
      for (const path of await filesIn(`${folder}/${name}`)) found.push(`${name}/${path}`);
    }
  }
  return found.sort();
}
