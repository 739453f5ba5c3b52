// Takes secrets out of text of any kind: logs, messages, what programs print. Pure.
//
// It works by form, so it errs on the side of taking out too much. What has no form (a header's value, a variable of a
// container's environment) is taken out by its place in an object: redact-object.ts.

export const redacted = "<redacted>";

const words =
  "pass(?:word|wd|phrase)|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credential|authorization|cookie|psk";
/** Words that a secret's name has. */
const sensitiveName = new RegExp(words, "i");
/** Names of secrets, and of where they are, are none. */
const harmlessEnd =
  /(?:name|names|ref|refs|namespace|file|files|path|dir|mode|type|kind|count|seconds|interval|sync|id|enabled|expires|expiration)$/i;

/** Whether what has this name is probably a secret. */
export function isSensitiveName(name: string): boolean {
  return sensitiveName.test(name) && !harmlessEnd.test(name);
}

type Rule = readonly [RegExp, string | ((...parts: string[]) => string)];

// Every repetition has a bound, so that no text takes more than a time in proportion to its length.
const rules: readonly Rule[] = [
  // Also one that is cut off at its end.
  [
    /-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,32}PRIVATE KEY-----|$)/g,
    redacted,
  ],
  // The same, in base64: kubeconfigs and Secrets.
  [/LS0tLS1CRUdJTi[A-Za-z0-9+/=]{20,}/g, redacted],
  [/\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*/g, redacted],
  [/\b(Bearer|Basic|Digest|Negotiate)\s{1,4}[\w.~+/=-]{4,}/gi, `$1 ${redacted}`],
  [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g, redacted],
  [/([a-z][a-z0-9+.-]{0,20}:\/\/)[^/\s:@"'<>]{0,256}:[^/\s@"'<>]{0,256}@/gi, `$1${redacted}@`],
  [
    /\b((?:proxy-)?authorization|(?:set-)?cookie|x-[\w-]{0,40}(?:key|token|auth|secret)[\w-]{0,40})(\\?["']?\s{0,4}[:=]\s{0,4}\\?["']?)[^\r\n"'\\]+/gi,
    `$1$2${redacted}`,
  ],
  // What was run in a pod, in an audit log: its program, as of a container, and none of its arguments.
  [
    /(\/exec\?[^\s"'<>]{0,200}?command=[^\s"'<>&\\]*)([^\s"'<>]*)/g,
    (_whole, program = "", rest = "") =>
      program + rest.replaceAll(/(\bcommand=)[^&\\]+/g, `$1${redacted}`),
  ],
  // name=value, name: value, "name":"value"
  [
    new RegExp(
      String.raw`([\w.-]{0,40}(?:${words})[\w.-]{0,40})(\\?["']?\s{0,4}[=:]\s{0,4}\\?["']?)([^\s"',;&}\\]+)`,
      "gi",
    ),
    (_whole, name = "", between = "", value = "") =>
      `${name}${between}${isSensitiveName(name) ? redacted : redactText(value)}`,
  ],
  // --name value
  [
    new RegExp(String.raw`(--[\w-]{0,40}(?:${words})[\w-]{0,40})(\s{1,4})([^\s-]\S*)`, "gi"),
    (whole, name = "", between = "") =>
      isSensitiveName(name) ? `${name}${between}${redacted}` : whole,
  ],
];

/** Text without what looks like a secret. */
export function redactText(text: string): string {
  let clean = withoutHeadlessKeys(text);
  for (const [pattern, replacement] of rules)
    clean = clean.replace(pattern, replacement as (substring: string, ...rest: string[]) => string);
  return clean;
}

/** Keys whose beginning was cut off, as where a log's tail is taken: what stands before an end is a key's. */
function withoutHeadlessKeys(text: string): string {
  let clean = "";
  let from = 0;
  for (const end of text.matchAll(/-----END [A-Z ]{0,32}PRIVATE KEY-----/g)) {
    let begin = end.index;
    while (begin > from && isOfKey(text.charCodeAt(begin - 1))) begin--;
    const headless = !text.slice(from, begin).endsWith("PRIVATE KEY-----");
    const upTo = end.index + end[0].length;
    clean += headless ? text.slice(from, begin) + redacted : text.slice(from, upTo);
    from = upTo;
  }
  return clean + text.slice(from);
}

/** Base64, blanks, and the "\n" of JSON. */
function isOfKey(code: number): boolean {
  return (
    (code >= 48 && code <= 57) ||
    (code >= 65 && code <= 90) ||
    (code >= 97 && code <= 122) ||
    [0x2b, 0x2f, 0x3d, 0x5c, 0x20, 0x0a, 0x0d, 0x09].includes(code)
  );
}
