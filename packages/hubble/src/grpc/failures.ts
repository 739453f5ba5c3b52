// Failures of the connection are one thing to callers: UNAVAILABLE, to be tried again.
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

/** A stream was reset, or a call cancelled: the connection lives. Any other error of Node's is the connection's. */
const ofTheStream = ["ERR_HTTP2_STREAM_ERROR", "ABORT_ERR"];

/** The same error, or UNAVAILABLE if a connection's failure is at its root. */
export function classified(error: unknown): ConnectError {
  const own = ConnectError.from(error);
  const settled = [Code.Canceled, Code.DeadlineExceeded, Code.Unavailable].includes(own.code);
  const codes = chain(error).map((each) => (each as { code?: unknown }).code);
  const ofNode = codes.filter((code) => typeof code === "string");
  if (settled || ofNode.length === 0 || ofNode.some((code) => ofTheStream.includes(code))) {
    return own;
  }
  return asUnavailable(error);
}

/** UNAVAILABLE, with the error at the root as its text and cause. */
export function asUnavailable(error: unknown): ConnectError {
  if (error instanceof ConnectError && error.code === Code.Unavailable) return error;
  const root = chain(error).at(-1);
  const message = root instanceof Error ? root.message : String(root);
  return new ConnectError(message, Code.Unavailable, undefined, undefined, error);
}

/** For connect's transport. */
export const mapFailures: Interceptor = (next) => async (request) => {
  try {
    return await next(request);
  } catch (error) {
    const failure = classified(error);
    // Nobody here cancelled it: that is how node:http2 tells that the connection broke.
    const closed = chain(error).some((each) => (each as Error).name === "AbortError");
    const broken = failure.code === Code.Canceled && !request.signal.aborted && !closed;
    throw broken ? new ConnectError("the connection was lost", Code.Unavailable) : failure;
  }
};

function chain(error: unknown): unknown[] {
  const found: unknown[] = [];
  for (let each = error; each !== undefined && !found.includes(each);) {
    found.push(each);
    each = each instanceof Error ? each.cause : undefined;
  }
  return found;
}
