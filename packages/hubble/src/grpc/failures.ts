// Failures of the connection are one thing to callers: UNAVAILABLE, to be tried again.
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

/** Node's codes of errors that a broken or missing connection has. */
const connectionCodes =
  /^(E[A-Z]+|ERR_(TLS|SSL|HTTP2)_.*|ERR_STREAM_(DESTROYED|PREMATURE_CLOSE)|CERT_.*|.*CERT.*|ERR_SOCKET_.*)$/;

/** The same error, or UNAVAILABLE if a connection's failure is at its root. */
export function classified(error: unknown): ConnectError {
  const own = ConnectError.from(error);
  const settled = [Code.Canceled, Code.DeadlineExceeded, Code.Unavailable].includes(own.code);
  if (settled || rootCode(error) === undefined) return own;
  return asUnavailable(error);
}

/** UNAVAILABLE, with the error at the root as its text and cause. */
export function asUnavailable(error: unknown): ConnectError {
  if (error instanceof ConnectError && error.code === Code.Unavailable) return error;
  const root = chain(error).at(-1);
  const message = root instanceof Error ? root.message : String(root);
  return new ConnectError(message, Code.Unavailable, undefined, undefined, error);
}

export const mapFailures: Interceptor = (next) => async (request) => {
  try {
    return await next(request);
  } catch (error) {
    throw classified(error);
  }
};

function rootCode(error: unknown): string | undefined {
  for (const each of chain(error)) {
    const { code } = each as { code?: unknown };
    if (typeof code === "string" && connectionCodes.test(code)) return code;
  }
  return undefined;
}

function chain(error: unknown): unknown[] {
  const found: unknown[] = [];
  for (let each = error; each !== undefined && !found.includes(each);) {
    found.push(each);
    each = each instanceof Error ? each.cause : undefined;
  }
  return found;
}
