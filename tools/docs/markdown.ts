/** Changes in a Markdown text, except in its code. */

const FENCE = /^ *(?<fence>`{3,}|~{3,})[^\n]*\n[^]*?^ *\k<fence>[`~]* *$/;
const CODE = /(?<ticks>`+)(?!`)(?:(?!\n\s*\n)[^])*?(?<!`)\k<ticks>(?!`)/;
const TARGET = /<[^>\n]*>|[^()<\s]*(?:\([^()\s]*\)[^()\s]*)*/;
const LINK = new RegExp(
  `(?<bang>!\\[[^\\]]*)?(?<open>\\]\\()(?<target>${TARGET.source})(?=[\\s)])`,
);
const REFERENCE = /^(?<label> {0,3}\[[^\]\n]+\]:\s+)(?<referred>\S+)/;
const ATTRIBUTE = /(?<name>\b(?:src|srcset|href)=")(?<value>[^"]*)/;
const MUSTACHES = /\{\{/;

const PLACES = new RegExp(
  [FENCE, CODE, LINK, REFERENCE, ATTRIBUTE, MUSTACHES].map(({ source }) => source).join("|"),
  "gm",
);
const TAGS = new RegExp(`${FENCE.source}|${CODE.source}|<`, "gm");

/** A link to a page or a file, or an image. */
export type Change = (target: string, image: boolean) => string;

/** The text with other links, for vitepress, which takes double braces for its own. */
export function mapLinks(text: string, change: Change): string {
  return text.replaceAll(PLACES, (whole, ...rest) => {
    const found: Record<string, string | undefined> = rest.at(-1);
    const { fence, ticks, bang, open, target, label, referred, name, value } = found;
    if (fence ?? ticks) return whole;
    if (open !== undefined) {
      const changed = change(target!.replace(/^<(.*)>$/, "$1"), bang !== undefined);
      return `${bang ?? ""}${open}${changed}`;
    }
    if (label !== undefined) return label + change(referred!, false);
    if (name !== undefined) return name + change(value!, name !== 'href="');
    return "&#123;&#123;";
  });
}

/** A text that has no tags, such as a comment: what looks like one is shown. */
export function withoutTags(text: string): string {
  return text.replaceAll(TAGS, (whole) => whole === "<" ? "&lt;" : whole);
}
