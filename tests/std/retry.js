// @ts-self-types="./retry.d.ts"
export * from "deno-std/async/retry.js";
