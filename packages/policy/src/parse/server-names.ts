// `serverNames`: what TLS clients may ask for (SNI), names and patterns as DNS rules have them.
import type { Field } from "./field.ts";
import { readPattern } from "./fqdn.ts";

/** undefined: not given, any name. An empty list is none. */
export function parseServerNames(field: Field): readonly string[] | undefined {
  return field.items()?.flatMap((item) => readPattern(item) ?? []);
}
