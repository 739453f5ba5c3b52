// Errors that a handler did not mean for its client: told as "internal error", and to the log.
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import type { ServerIncident } from "./server.ts";

/** For connect's router: reports what is no ConnectError. */
export function accidents(onIncident: (incident: ServerIncident) => void): Interceptor {
  return (next) => async (request) => {
    const hidden = (error: unknown): unknown => {
      if (error instanceof ConnectError || request.signal.aborted) return error;
      const path = `/${request.service.typeName}/${request.method.name}`;
      onIncident({ message: `the call ${path} failed`, error });
      return new ConnectError("internal error", Code.Internal);
    };
    try {
      const response = await next(request);
      if (!response.stream) return response;
      return { ...response, message: mapErrors(response.message, hidden) };
    } catch (error) {
      throw hidden(error);
    }
  };
}

async function* mapErrors<T>(
  messages: AsyncIterable<T>,
  map: (error: unknown) => unknown,
): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw map(error);
  }
}
