// FlowFilters that the user wrote as JSON (--allowlist, --denylist, configuration files).
import { CommandError } from "../../../cli/src/failure.ts";
import type { RawFilter } from "../filters/raw-filter.ts";

/**
 * Filters of texts that hold one JSON object after the other. Whether they are FlowFilters is known when they are made
 * into messages (flowFilter()).
 * @throws CommandError for what is no JSON.
 */
export function rawFilters(flag: string, texts: readonly string[]): RawFilter[] {
  return texts.flatMap((text) => documentsOf(text).map((document) => parse(flag, document)));
}

function parse(flag: string, document: string): RawFilter {
  try {
    const value: unknown = JSON.parse(document);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Told below.
  }
  throw new CommandError(
    `--${flag}: ${JSON.stringify(document)} is no FlowFilter`,
    `Write JSON such as '{"source_pod":["shop/"],"verdict":["DROPPED"]}'; --print-raw-filters shows those of other flags.`,
  );
}

/** Cuts a text after every outermost closing brace. */
function documentsOf(text: string): string[] {
  const documents: string[] = [];
  let depth = 0;
  let start = 0;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"?|[{}[\]]/gs)) {
    if (token === "{" || token === "[") depth++;
    if (token === "}" || token === "]") depth--;
    if (depth > 0 || token.startsWith('"')) continue;
    documents.push(text.slice(start, index + 1).trim());
    start = index + 1;
  }
  const rest = text.slice(start).trim();
  return rest === "" ? documents : [...documents, rest];
}
