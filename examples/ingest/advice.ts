/** Explains errors to the user, and says what to do next. */

import type { Options } from "./options.ts";
import { InputError } from "./places.ts";
import { RecordError } from "./records.ts";

/** Returns two sentences for an error that the user can fix, and the stack for a bug of the program. */
export function explain(error: unknown, { input, database }: Options): string {
  if (error instanceof RecordError) {
    const before = error.record - 1;
    return `Record ${error.record} of ${input} is bad: ${error.message}.\n` +
      `Correct the file${
        before > 0 ? `, or read only the records before it: --limit ${before}` : ""
      }.`;
  }
  if (error instanceof InputError) {
    return `${error.message}.\nGive another file with --input.`;
  }
  if (!(error instanceof Error)) return String(error);
  const { code, message } = error as Error & { code?: unknown };
  if (code === "ERR_SQLITE_ERROR") {
    // Deno adds the statement.
    const problem = message.replace(/ in [A-Z].* at offset \d+$/s, "");
    return `${database ?? "The temporary database"}: ${problem}.\n${remedy(message)}`;
  }
  if (error.name === "NotCapable") return `${message}.`;
  if (typeof code === "string" && code.startsWith("E")) {
    return `${message}.\nThe directory must exist, be writable, and have room.`;
  }
  return error.stack ?? message;
}

/** Looks at the message of SQLite, because not every runtime passes its codes on. */
function remedy(message: string): string {
  if (message.includes("locked")) return "Close the program that locks it, and use a new file.";
  if (message.includes("full")) {
    return "Make room on its disk, or raise --max-pages if you gave it, and use a new file.";
  }
  if (message.includes("already exists")) {
    return "It is from an earlier run: continue that with --resume, or give another file with --database.";
  }
  return "Give another file with --database, in a directory that exists and is writable.";
}
