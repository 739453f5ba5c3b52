import type { HttpHeader } from "../model.ts";

/** W3C Trace Context, 3.2: version, trace-id, parent-id, flags. */
const traceParent = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:$|-)/;

/** The trace that a request belongs to, by its header `traceparent`. */
export function traceIdOf(headers: readonly HttpHeader[]): string | undefined {
  const header = headers.find(({ key }) => key.toLowerCase() === "traceparent");
  const traceId = header && traceParent.exec(header.value)?.[1];
  return traceId === undefined || /^0+$/.test(traceId) ? undefined : traceId;
}
