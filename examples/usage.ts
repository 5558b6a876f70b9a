/** Rules for options of the command lines. The programs check them before they do anything. */

import { statSync } from "node:fs";
import { dirname } from "node:path";

/** Returns the number of an option. Throws an `Error` that names the rule. */
export function whole(option: string, text: string, least: number, most = 999_999_999): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new Error(`--${option} must be a whole number from ${least} to ${most}; got "${text}"`);
}

/** Returns a path at which the program can make a file. Throws an `Error` that names the rule. */
export function writable(option: string, path: string): string {
  if (path === "") throw new Error(`--${option} must be a path; got ""`);
  if (kind(path) === "directory") {
    throw new Error(`--${option} must be a file; ${path} is a directory`);
  }
  const directory = dirname(path);
  if (kind(directory) === "directory") return path;
  throw new Error(`--${option} must be in a directory that exists; ${directory} does not`);
}

/** What is at a path. */
export function kind(path: string): "file" | "directory" | "nothing" | "something else" {
  const info = statSync(path, { throwIfNoEntry: false });
  if (!info) return "nothing";
  return info.isFile() ? "file" : info.isDirectory() ? "directory" : "something else";
}
