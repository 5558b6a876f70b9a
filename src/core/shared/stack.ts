/**
 * Throws the engine's error if the stack has too little room for what one call may do here: a few
 * calls, if large ones. These take 64 to 120 kB. (Many arguments for one call would take the same
 * everywhere, but Firefox keeps them elsewhere.)
 */
export function needStack(calls: number = 1024): void {
  if (calls > 0) needStack(calls - 1);
}

/** Whether an error says that the stack has overflowed in the code that has just failed. */
export function isOverflow(error: unknown): boolean {
  // By name, because it may be an error of another realm. In Firefox it is an `InternalError`.
  return !hasStack() && ["RangeError", "InternalError"].includes(Object(error).name);
}

/** Whether the stack has that much room. */
export function hasStack(): boolean {
  try {
    needStack();
    return true;
  } catch {
    return false;
  }
}
