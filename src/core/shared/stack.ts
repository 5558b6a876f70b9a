/** Whether the stack has room for what follows a handler: a few calls, if large ones. */
export function hasStack(calls: number = 1024): boolean {
  try {
    return calls === 0 || hasStack(calls - 1);
  } catch {
    return false;
  }
}
