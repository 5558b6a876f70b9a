/**
 * Tells by an error of the client whether another attempt may succeed. It compares names, so that
 * it works with two copies of the client.
 */

interface Known {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly status?: unknown;
  readonly cause?: unknown;
}

/** Errors that stay: no permission, no connection, or a wrong argument. */
const FINAL = new Set([
  "AuthorizationError",
  "ClosedConnectionError",
  "DrainingConnectionError",
  "InvalidArgumentError",
  "InvalidOperationError",
  "InvalidSubjectError",
  "PermissionViolationError",
  "ProtocolError",
  "RangeError",
  "SyntaxError",
  "TypeError",
  "UserAuthenticationExpiredError",
]);

/** The account has no JetStream. */
const NOT_ENABLED = 10039;

function known(error: unknown): Known {
  return Object(error) === error ? error as Known : {};
}

/** Whether the same request would always fail again. */
export function isFinal(error: unknown): boolean {
  const { name, message, code, status, cause } = known(error);
  if (FINAL.has(String(name)) || FINAL.has(String(known(cause).name))) return true;
  if (message === "connection closed") return true;
  // The status of the server; 503 means that something is missing for now.
  if (typeof status === "number") return status !== 503 || code === NOT_ENABLED;
  // The consumer was deleted while a request waited.
  return code === 409 && /\b(deleted|push based)\b/.test(String(message)) || code === 400;
}
