// What `@std/assert` exports, as far as the tests use it. `deno-std` ships without types.
// deno-lint-ignore-file no-explicit-any

type Constructor<T> = abstract new (...args: any[]) => T;
type DeepPartial = Record<PropertyKey, unknown>;

export declare class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions);
}

export declare function assert(condition: unknown, message?: string): asserts condition;
export declare function assertFalse(condition: unknown, message?: string): asserts condition is
  | false
  | 0
  | ""
  | null
  | undefined;
export declare function assertExists<T>(
  actual: T,
  message?: string,
): asserts actual is NonNullable<T>;
export declare function assertEquals<T>(actual: T, expected: T, message?: string): void;
export declare function assertNotEquals<T>(actual: T, expected: T, message?: string): void;
export declare function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  message?: string,
): asserts actual is T;
export declare function assertNotStrictEquals<T>(actual: T, expected: T, message?: string): void;
export declare function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  message?: string,
): void;
export declare function assertGreater<T>(actual: T, expected: T, message?: string): void;
export declare function assertGreaterOrEqual<T>(actual: T, expected: T, message?: string): void;
export declare function assertLess<T>(actual: T, expected: T, message?: string): void;
export declare function assertLessOrEqual<T>(actual: T, expected: T, message?: string): void;
export declare function assertArrayIncludes<T>(
  actual: ArrayLike<T>,
  expected: ArrayLike<T>,
  message?: string,
): void;
export declare function assertStringIncludes(
  actual: string,
  expected: string,
  message?: string,
): void;
export declare function assertMatch(actual: string, expected: RegExp, message?: string): void;
export declare function assertNotMatch(actual: string, expected: RegExp, message?: string): void;
export declare function assertObjectMatch(
  actual: DeepPartial,
  expected: DeepPartial,
  message?: string,
): void;
export declare function assertInstanceOf<T extends Constructor<unknown>>(
  actual: unknown,
  expected: T,
  message?: string,
): asserts actual is InstanceType<T>;
export declare function assertNotInstanceOf<A, T>(
  actual: A,
  unexpected: Constructor<T>,
  message?: string,
): asserts actual is Exclude<A, T>;
export declare function assertIsError<E extends Error = Error>(
  error: unknown,
  errorClass?: Constructor<E>,
  messageMatches?: string | RegExp,
  message?: string,
): asserts error is E;
export declare function assertThrows(fn: () => unknown, message?: string): unknown;
export declare function assertThrows<E extends Error>(
  fn: () => unknown,
  errorClass: Constructor<E>,
  messageIncludes?: string,
  message?: string,
): E;
export declare function assertRejects(
  fn: () => PromiseLike<unknown>,
  message?: string,
): Promise<unknown>;
export declare function assertRejects<E extends Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: Constructor<E>,
  messageIncludes?: string,
  message?: string,
): Promise<E>;
export declare function equal(actual: unknown, expected: unknown): boolean;
export declare function fail(message?: string): never;
export declare function unreachable(message?: string): never;
