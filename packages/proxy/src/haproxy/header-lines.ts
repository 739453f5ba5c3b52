// Conditions about a request's headers as expressions for PCRE, of lines as HAProxy's req.hdrs has them: "name: value", names
// in lower case, each line ended by CR LF, an empty one last. Every line is looked at once, whatever is in it.

/** Any line but the last. */
const line = "[^\\r\\n][^\\n]*+\\n";

/** The header is there. Asked where the first line begins; takes nothing. @param name of an HTTP header, in any case */
export function hasHeader(name: string): string {
  const own = `${bytes(name.toLowerCase())}:`;
  return `(?=(?:(?!${own})${line})*+${own})`;
}

/**
 * The header is there, once, with this value and no other. Lines that were cut off have no last one, and no such header.
 * @param value bytes, one a character (latin1), without the blanks around it
 */
export function hasHeaderOnce(name: string, value: string): string {
  const own = `${bytes(name.toLowerCase())}:`;
  const others = `(?:(?!${own})${line})*+`;
  return `(?=${others}${own} ${bytes(value)}\\r\\n${others}\\r\\n\\z)`.replaceAll(" ", "\\x20");
}

/** Nothing in it is part of the expression's own language, or ends an entry of a map. */
function bytes(text: string): string {
  return text.replace(
    /[^0-9A-Za-z]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
