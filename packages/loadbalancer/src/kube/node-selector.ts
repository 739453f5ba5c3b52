// Label selectors as text, the form that annotations carry: "zone in (a,b),disk=ssd,!spot".
type Labels = Readonly<Record<string, string>>;

const term =
  /^\s*(?:(!)\s*([\w./-]+)|([\w./-]+)\s*(?:(==?|!=)\s*([\w.-]*)|\s(in|notin)\s*\(([^()]*)\))?)\s*$/;

/** Terms are split by an expression that looks ahead: of a longer text, for too long. */
const longest = 2048;

/** What the selector selects; undefined: it is none. Kubernetes' syntax but for > and <. */
export function parseNodeSelector(text: string): ((labels: Labels) => boolean) | undefined {
  if (text.length > longest) return undefined;
  const terms = splitTerms(text).map(parseTerm);
  if (terms.some((parsedTerm) => parsedTerm === undefined)) return undefined;
  return (labels) => terms.every((matches) => matches?.(labels));
}

/** At commas outside parentheses. */
function splitTerms(text: string): string[] {
  return text.trim() === "" ? [] : text.split(/,(?![^(]*\))/);
}

function parseTerm(text: string): ((labels: Labels) => boolean) | undefined {
  const match = term.exec(text);
  if (!match) return undefined;
  const [, not, absent, key = "", operator, value = "", list, values = ""] = match;
  if (not !== undefined) return (labels) => !Object.hasOwn(labels, absent ?? "");
  const wanted = list === undefined ? [value] : values.split(",").map((item) => item.trim());
  const has = (labels: Labels) => Object.hasOwn(labels, key);
  const isWanted = (labels: Labels) => has(labels) && wanted.includes(labels[key] ?? "");
  if (operator === undefined && list === undefined) return has;
  return operator === "!=" || list === "notin" ? (labels) => !isWanted(labels) : isWanted;
}
