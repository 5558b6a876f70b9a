/** What the tests left uncovered. */

/** A line, or a branch that begins on it, that no test reached. */
export interface Gap {
  readonly file: string;
  readonly line: number;
  readonly kind: "line" | "branch";
}

/** The gaps in an LCOV report, and how many files it covers. */
export function gaps(lcov: string): { gaps: Gap[]; files: number } {
  const found: Gap[] = [];
  let file = "";
  let files = 0;
  for (const record of lcov.split("\n")) {
    const [key, value = ""] = split(record);
    const fields = value.split(",");
    if (key === "SF") {
      file = value;
      files++;
    } else if (key === "DA" && fields[1] === "0") {
      found.push({ file, line: Number(fields[0]), kind: "line" });
    } else if (key === "BRDA" && (fields[3] === "0" || fields[3] === "-")) {
      found.push({ file, line: Number(fields[0]), kind: "branch" });
    }
  }
  return { gaps: found, files };
}

function split(record: string): [string, string?] {
  const colon = record.indexOf(":");
  return colon < 0 ? [record] : [record.slice(0, colon), record.slice(colon + 1)];
}
