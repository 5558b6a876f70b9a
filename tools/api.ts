/**
 * Lists the public surface, one line each. `docs/api.txt` shows the `deno doc` output of `mod.ts`,
 * and how much each entry point adds to a bundle. So a change of the surface is a change of a file
 * that a reviewer sees.
 *
 * As a program, it writes the file.
 */

import { stop } from "esbuild";
import { deno } from "./run.ts";
import { size } from "./size.ts";
import type { Outcome } from "./suite.ts";

const FILE = "docs/api.txt";
/** Sizes are rounded up to this many bytes. */
const STEP = 10;

// The parts of `deno doc --json` that matter here.
interface Type {
  readonly kind: string;
  readonly repr: string;
  // deno-lint-ignore no-explicit-any
  readonly value: any;
}

interface Param {
  readonly kind: string;
  readonly name: string;
  readonly optional?: boolean;
  readonly tsType?: Type;
  readonly arg?: Param;
  readonly left?: Param;
}

interface TypeParam {
  readonly name: string;
  readonly constraint?: Type;
  readonly default?: Type;
}

interface Signature {
  readonly name?: string;
  readonly kind?: string;
  readonly params?: readonly Param[];
  readonly typeParams?: readonly TypeParam[];
  readonly returnType?: Type;
  readonly tsType?: Type;
  readonly optional?: boolean;
  readonly readonly?: boolean;
  readonly isStatic?: boolean;
  readonly isAbstract?: boolean;
  readonly accessibility?: string;
  readonly functionDef?: Signature;
}

interface Definition extends Signature {
  readonly extends?: string | readonly Type[];
  readonly implements?: readonly Type[];
  readonly superTypeParams?: readonly Type[];
  readonly constructors?: readonly Signature[];
  readonly properties?: readonly Signature[];
  readonly methods?: readonly Signature[];
  readonly callSignatures?: readonly Signature[];
  readonly indexSignatures?: readonly Signature[];
}

interface Symbol {
  readonly name: string;
  readonly declarations: ReadonlyArray<{
    readonly kind: string;
    readonly declarationKind: string;
    readonly def: Definition;
  }>;
}

/** Checks that the file matches the sources. */
export async function api(): Promise<Outcome> {
  const [actual, expected] = [await surface(), await Deno.readTextFile(FILE).catch(() => "")];
  if (actual === expected) return { passed: 1, failed: 0, output: "" };
  const before = new Set(expected.split("\n"));
  const now = new Set(actual.split("\n"));
  const gone = [...before.difference(now)].map((line) => `- ${line}`);
  const come = [...now.difference(before)].map((line) => `+ ${line}`);
  const output = [
    "The public surface has changed; if it should, run: deno task api",
    ...gone,
    ...come,
  ];
  return { passed: 0, failed: 1, output: output.join("\n") };
}

async function surface(): Promise<string> {
  const { exports } = JSON.parse(await Deno.readTextFile("deno.json"));
  const paths = Object.values<string>(exports);
  const { success, output } = await deno(["doc", "--json", "--quiet", ...paths]);
  if (!success) throw new Error(output);
  const { nodes } = JSON.parse(output) as { nodes: Record<string, { symbols: Symbol[] }> };
  const symbolsOf = (path: string) =>
    Object.entries(nodes).find(([url]) => url.endsWith(path.slice(1)))![1].symbols
      // It also lists types that exports refer to.
      .filter(({ declarations: [first] }) => first!.declarationKind !== "private");
  const entries = await Promise.all(
    Object.entries<string>(exports).map(async ([entry, path]) => {
      const { gzipped } = await size(`export * from "${path}"`);
      const names = symbolsOf(path).map(({ name }) => name).sort().join(", ");
      return `${entry} (${Math.ceil(gzipped / STEP) * STEP} B) exports ${names}`;
    }),
  );
  const blocks = symbolsOf("./mod.ts").flatMap(({ name, declarations }) =>
    declarations.map(({ kind, def }) =>
      [head(kind, name, def), ...members(literal(def) ?? def)].join("\n  ")
    )
  );
  return `${[...entries, "", ...blocks.sort()].join("\n")}\n`;
}

function head(kind: string, name: string, def: Definition): string {
  switch (kind) {
    case "function":
      return `function ${call({ ...def, name })}`;
    case "typeAlias":
      return `type ${name}${typeParams(def)} = ${type(def.tsType)}`;
    case "variable":
      return literal(def) ? `const ${name}` : `const ${name}: ${type(def.tsType)}`;
    case "class": {
      const base = def.extends ? ` extends ${def.extends}${typeArgs(def.superTypeParams)}` : "";
      const shapes = def.implements?.length ? ` implements ${types(def.implements)}` : "";
      return `class ${name}${typeParams(def)}${base}${shapes}`;
    }
    case "interface": {
      const bases = def.extends?.length ? ` extends ${types(def.extends as Type[])}` : "";
      return `interface ${name}${typeParams(def)}${bases}`;
    }
    default:
      throw new Error(`a ${kind}, ${name}: say how it is written`);
  }
}

/** The members of a constant whose type is an inline literal. */
function literal({ tsType }: Definition): Definition | undefined {
  return tsType?.kind === "typeLiteral" ? tsType.value : undefined;
}

function members(def: Definition): string[] {
  return [
    ...(def.constructors ?? []).map((each) => call({ name: "new ", ...each })),
    ...(def.callSignatures ?? []).map((each) => call({ ...each, name: "" })),
    ...(def.indexSignatures ?? []).map((each) =>
      `[${(each.params ?? []).map(param)}]: ${type(each.tsType)}`
    ),
    ...(def.properties ?? []).map(property),
    ...(def.methods ?? []).map(method),
  ];
}

function property(of: Signature): string {
  const marks = `${of.isStatic ? "static " : ""}${of.readonly ? "readonly " : ""}`;
  return `${marks}${of.name}${of.optional ? "?" : ""}: ${type(of.tsType)}`;
}

function method(of: Signature): string {
  const marks = [
    of.accessibility,
    of.isStatic && "static",
    of.isAbstract && "abstract",
    of.kind === "getter" && "get",
    of.kind === "setter" && "set",
  ].filter(Boolean).map((mark) => `${mark} `).join("");
  return `${marks}${call({ ...of, ...of.functionDef })}`;
}

function call(
  { name = "", optional, typeParams: own = [], params = [], ...of }: Signature,
): string {
  const returned = of.returnType ?? of.tsType;
  const result = returned ? `: ${type(returned)}` : "";
  return `${name}${optional ? "?" : ""}${typeParams({ typeParams: own })}(${
    params.map(param).join(", ")
  })${result}`;
}

function param({ kind, name, optional, tsType, arg, left }: Param): string {
  if (kind === "rest") return `...${param({ ...arg!, ...(tsType && { tsType }) })}`;
  if (kind === "assign") return param({ ...left!, optional: true, ...(tsType && { tsType }) });
  return `${name ?? `{${kind}}`}${optional ? "?" : ""}: ${type(tsType)}`;
}

function typeParams({ typeParams = [] }: Signature): string {
  if (typeParams.length === 0) return "";
  return `<${
    typeParams.map(({ name, constraint, default: initial }) =>
      [name, constraint && `extends ${type(constraint)}`, initial && `= ${type(initial)}`]
        .filter(Boolean).join(" ")
    ).join(", ")
  }>`;
}

function typeArgs(args: readonly Type[] | null | undefined): string {
  return args?.length ? `<${types(args)}>` : "";
}

function types(of: readonly Type[]): string {
  return of.map(type).join(", ");
}

/**
 * A type as source text. A type of an unknown kind is an error, because nothing may be left out.
 */
function type(of: Type | undefined): string {
  if (of === undefined) return "(inferred)";
  const { kind, repr, value } = of;
  switch (kind) {
    case "keyword":
      return value;
    case "literal":
      return repr === "" || value.kind === "string" ? JSON.stringify(value.string) : repr;
    case "typeRef":
      return `${value.typeName}${typeArgs(value.typeParams)}`;
    case "array":
      return `${type(value)}[]`;
    case "union":
      return value.map(type).join(" | ");
    case "intersection":
      return value.map(type).join(" & ");
    case "parenthesized":
      return `(${type(value)})`;
    case "tuple":
      return `[${types(value)}]`;
    case "typeOperator":
      return `${value.operator} ${type(value.tsType)}`;
    case "indexedAccess":
      return `${type(value.objType)}[${type(value.indexType)}]`;
    case "fnOrConstructor":
      return `${value.constructor === true ? "new " : ""}${typeParams(value)}(${
        value.params.map(param).join(", ")
      }) => ${type(value.tsType)}`;
    case "typeLiteral":
      return `{ ${members(value).join("; ")} }`;
    case "conditional":
      return `${type(value.checkType)} extends ${type(value.extendsType)} ? ${
        type(value.trueType)
      } : ${type(value.falseType)}`;
    case "infer":
      return `infer ${value.typeParam.name}`;
    case "typePredicate":
      return `${value.param.name} is ${type(value.type)}`;
    case "this":
      return "this";
    default:
      throw new Error(`a type that is ${kind}, ${repr}: say how it is written`);
  }
}

if (import.meta.main) {
  await Deno.writeTextFile(FILE, await surface());
  await stop();
}
