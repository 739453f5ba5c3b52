// What layer 7 says: HTTP's status, method, path, URL and headers, DNS's query.
import type { EventTypeFilter, HTTPHeader } from "../gen/flow/flow_pb.ts";
import { EventType, type Flow, type Layer7 } from "../model.ts";
import { type Condition, onFlow, rememberTexts } from "./condition.ts";
import { FilterError } from "./error.ts";
import { compilePatterns } from "./regex.ts";
import { requestPath } from "./request-uri.ts";

type Http = Extract<Layer7, { readonly kind: "http" }>;

/** An HTTP filter beside an event_type filter that has no L7 in it could never match: refused, as in Cilium. @throws FilterError */
export function requireL7(field: string, types: readonly EventTypeFilter[]): void {
  if (types.length === 0 || types.some(({ type }) => type === EventType.l7)) return;
  const value = types.map(({ type }) => type).join(",");
  const reason = `together with ${field}, event types must include ${EventType.l7} (L7)`;
  throw new FilterError({ field: "event_type", value, reason });
}

/** "404", "40+" (400 to 409), "4+" (400 to 499); of responses. @throws FilterError */
export function onHttpStatus(field: string, values: readonly string[]): Condition {
  const prefixes = values.map((value) => {
    if (/^[1-5][0-9]{2}$/.test(value)) return value;
    if (/^[1-5][0-9]?\+$/.test(value)) return value.slice(0, -1);
    throw new FilterError({ field, value, reason: 'not a status code ("404", "40+" or "4+")' });
  });
  return onHttp(4, ({ code }) => {
    if (code === 0) return false;
    const text = String(code).padStart(3, "0");
    return prefixes.some((prefix) =>
      prefix.length === 3 ? text === prefix : text.startsWith(prefix),
    );
  });
}

/** "get" is "GET". */
export function onHttpMethod(values: readonly string[]): Condition {
  const wanted = new Set(values.map((value) => value.toUpperCase()));
  return onHttp(3, ({ method }) => method !== "" && wanted.has(method.toUpperCase()));
}

/** Expressions found in the path, decoded and without query. A URL that is none has no path. @throws FilterError */
export function onHttpPath(field: string, values: readonly string[]): Condition {
  const isFound = compilePatterns(field, values);
  const isWanted = rememberTexts((url) => {
    const path = requestPath(url);
    return path !== undefined && isFound(path);
  });
  return onHttp(40, ({ url }) => url !== "" && isWanted(url));
}

/** Expressions found in the URL as the flow has it. @throws FilterError */
export function onHttpUrl(field: string, values: readonly string[]): Condition {
  const isFound = compilePatterns(field, values);
  return onHttp(40, ({ url }) => url !== "" && isFound(url));
}

/** One of the flow's headers is one of these, key and value to the letter. */
export function onHttpHeader(headers: readonly HTTPHeader[]): Condition {
  return onHttp(5, (http) =>
    http.headers.some(({ key, value }) =>
      headers.some((wanted) => wanted.key === key && wanted.value === value),
    ),
  );
}

/** Expressions found in the name that was asked for. @throws FilterError */
export function onDnsQuery(field: string, values: readonly string[]): Condition {
  const isFound = compilePatterns(field, values);
  return onlyL7(onFlow(40, ({ l7 }) => l7?.kind === "dns" && isFound(l7.query)));
}

function onHttp(cost: number, test: (http: Http) => boolean): Condition {
  return onlyL7(onFlow(cost, ({ l7 }: Flow) => l7?.kind === "http" && test(l7)));
}

/** Only events of this type carry layer 7. */
function onlyL7(condition: Condition): Condition {
  return { ...condition, mayMatch: ({ eventTypes }) => eventTypes.includes(EventType.l7) };
}
