/** What both command lines ask of their options, before any work is done. */

import { statSync } from "node:fs";
import { dirname } from "node:path";

/** The number that an option gives. Throws an `Error` with the rule. */
export function whole(option: string, text: string, least: number, most = 999_999_999): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new Error(`--${option} must be a whole number from ${least} to ${most}; got "${text}"`);
}

/** The path of a file that the program may make. Throws an `Error` with the rule. */
export function writable(option: string, path: string): string {
  if (path === "") throw new Error(`--${option} must be a path; got ""`);
  if (kind(path) === "directory") throw new Error(`--${option} must be a file; ${path} is not`);
  const directory = dirname(path);
  if (kind(directory) === "directory") return path;
  throw new Error(`--${option} must be in a directory that exists; ${directory} does not`);
}

/** What is there. */
export function kind(path: string): "file" | "directory" | "nothing" | "something else" {
  const info = statSync(path, { throwIfNoEntry: false });
  if (!info) return "nothing";
  return info.isFile() ? "file" : info.isDirectory() ? "directory" : "something else";
}
