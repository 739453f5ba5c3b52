// One item of `rules.http`: conditions that must all hold for a request to get through.
import type { HttpRule } from "../model.ts";
import type { Field } from "./field.ts";
import { parseHeader, parseHeaderMatch } from "./header-match.ts";
import { parsePattern } from "./pattern.ts";

/** A proxy looks at each of them for each request. */
const maxHeaders = 32;

/** Lets every request through. */
export const anyRequest: HttpRule = {
  path: undefined,
  method: undefined,
  host: undefined,
  headers: [],
};

/** @returns undefined after a problem */
export function parseHttpRule(
  item: Field,
  { namespace }: { readonly namespace: string | undefined },
): HttpRule | undefined {
  if (!item.isObject()) return undefined;
  item.only(["path", "method", "host", "headers", "headerMatches"]);
  const [path, method, host] = ["path", "method", "host"].map((key) => item.narrowing(key)) as [
    Field,
    Field,
    Field,
  ];
  const rule = { path: parsePattern(path), method: parsePattern(method), host: parsePattern(host) };
  warnOfNoMatch({ path, method, host });
  const headers = [
    ...(item.narrowing("headers").items() ?? []).flatMap((each) => parseHeader(each) ?? []),
    ...(item.narrowing("headerMatches").items() ?? []).flatMap(
      (each) => parseHeaderMatch(each, namespace) ?? [],
    ),
  ];
  if (headers.length > maxHeaders) item.problem(`has more than ${maxHeaders} header conditions`);
  return { ...rule, headers };
}

/** What people write and no request has. */
function warnOfNoMatch(fields: {
  readonly path: Field;
  readonly method: Field;
  readonly host: Field;
}) {
  const { path, method, host } = fields;
  if (typeof path.value === "string" && /^\^?[A-Za-z0-9_-]/.test(path.value))
    path.warn("paths begin with a slash: this is likely to match none");
  if (typeof path.value === "string" && /[A-Za-z0-9_/-]\?[A-Za-z0-9_.-]+=/.test(path.value))
    path.warn("? makes what is before it optional: a query begins with \\?");
  if (typeof method.value === "string" && /^[a-z|()]+$/.test(method.value))
    method.warn("the case of methods counts, and they are written in upper case: GET");
  if (
    typeof host.value === "string" &&
    /(^|[^\\])[A-Z]/.test(host.value) &&
    !/\(\?i/.test(host.value)
  )
    host.warn("hosts are compared in lower case: a letter in upper case matches nothing");
}
