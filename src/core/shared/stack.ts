/** Whether enough calls fit on the stack for what comes after a handler: a few, if large ones. */
export function hasStack(calls: number = 1024): boolean {
  try {
    return calls === 0 || hasStack(calls - 1);
  } catch {
    return false;
  }
}
