/** What the errors of the client say: whether another attempt may succeed. By their names, so that two copies do. */

interface Known {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly status?: unknown;
  readonly cause?: unknown;
}

/** No permission, no connection, or an argument that is wrong: these stay. */
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

/** Whether the same request fails again, however often. */
export function isFinal(error: unknown): boolean {
  const { name, message, code, status, cause } = known(error);
  if (FINAL.has(String(name)) || FINAL.has(String(known(cause).name))) return true;
  if (message === "connection closed") return true;
  // What the server answered; 503 is for what is not there for now.
  if (typeof status === "number") return status !== 503 || code === NOT_ENABLED;
  // A consumer that is deleted while a request waits.
  return code === 409 && /\b(deleted|push based)\b/.test(String(message)) || code === 400;
}
