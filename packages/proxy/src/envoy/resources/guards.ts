// Requests that are refused whatever the rules say (docs/policy-l7.md, "How a request is read"), as far as Envoy does not
// refuse them itself: it has normalised the path before routes are looked at, so these are about what is left then.
// Regular expressions are RE2's and always of the whole value.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  HeaderMatcherSchema,
  RouteSchema,
} from "../gen/envoy/config/route/v3/route_components_pb.ts";
import { routeName } from "./names.ts";

type HeaderMatcher = MessageInitShape<typeof HeaderMatcherSchema>;

/** Printable ASCII, each % followed by two hexadecimal digits, no #; from the root on, or a lone *. */
const target = String.raw`\*|/(?:[!"$&-~]|%[0-9A-Fa-f]{2})*`;

/** In the path: what servers read in more ways than one. */
const ambiguous = [
  // A backslash, an encoded slash or backslash.
  String.raw`\\`,
  "%5[Cc]",
  "%2[Ff]",
  // Control characters; what is encoded twice; no UTF-8 however it goes on.
  "%[01][0-9A-Fa-f]",
  "%7[Ff]",
  "%25[0-9A-Fa-f]{2}",
  "%[Cc][01]",
  "%[Ff][5-9A-Fa-f]",
  "%[Ee]0%[89][0-9A-Fa-f]",
  "%[Ff]0%8[0-9A-Fa-f]",
  // Segments that some servers read as dots.
  String.raw`/\.{0,2}(?:;|%3[Bb])`,
];
const ambiguousPath = String.raw`[^?]*(?:${ambiguous.join("|")}).*`;

/** A name or an address in brackets, and a port or none. */
const authority = String.raw`(?:[-A-Za-z0-9._]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?`;

export const guardPatterns = { target, ambiguousPath, authority } as const;

export function matching(name: string, regex: string): HeaderMatcher {
  return {
    name,
    headerMatchSpecifier: {
      case: "stringMatch",
      value: { matchPattern: { case: "safeRegex", value: { regex } } },
    },
  };
}

export function having(name: string, value: string): HeaderMatcher {
  return {
    name,
    headerMatchSpecifier: {
      case: "stringMatch",
      value: { matchPattern: { case: "exact", value } },
    },
  };
}

/** Also true of a header that is not there. */
function other(matcher: HeaderMatcher): HeaderMatcher {
  return { ...matcher, invertMatch: true, treatMissingHeaderAsEmpty: true };
}

const refused: readonly (readonly HeaderMatcher[])[] = [
  [other(matching(":path", target))],
  [matching(":path", ambiguousPath)],
  [having(":path", "*"), other(having(":method", "OPTIONS"))],
  [other(matching(":authority", authority))],
];

/** Come before every rule. */
export const guardRoutes: readonly MessageInitShape<typeof RouteSchema>[] = refused.map(
  (headers) => ({
    name: routeName({ kind: "malformed" }),
    match: { pathSpecifier: { case: "prefix", value: "" }, headers: [...headers] },
    action: { case: "directResponse", value: { status: 400 } },
  }),
);
