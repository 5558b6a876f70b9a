/** What docs/contract.md says: its rules and its faults, with their ids. */

export const CONTRACT = "docs/contract.md";

/** Rules under one heading. */
export interface Section {
  readonly title: string;
  readonly rules: readonly Rule[];
}

/** A rule in all its words. */
export interface Rule {
  readonly id: string;
  readonly text: string;
}

/** A case that the library must survive. */
export interface Fault {
  readonly id: string;
  /** The letters of what it concerns, or `*`. */
  readonly on: string;
  readonly title: string;
}

/** The page. */
export interface Contract {
  readonly sections: readonly Section[];
  readonly faults: readonly Fault[];
}

/** Reads the page. */
export async function contract(): Promise<Contract> {
  const text = await Deno.readTextFile(CONTRACT);
  const sections = text.split(/^## /m).slice(1).map((section) => ({
    title: section.slice(0, section.indexOf("\n")),
    rules: [...section.matchAll(/^- \*\*\[(.+?)\]\*\* (.+(?:\n {2}.+)*)/gm)].map((match) => {
      return { id: match[1]!, text: match[2]!.replace(/\s+/g, " ") };
    }),
  }));
  const faults = [...text.matchAll(/^\| (F-\d\d) \| ([A-Z*]+) +\| (.+?) +\|$/gm)].map((match) => {
    return { id: match[1]!, on: match[2]!, title: match[3]! };
  });
  return { sections: sections.filter(({ rules }) => rules.length > 0), faults };
}
