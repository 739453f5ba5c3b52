// Names of the DNS as their labels (RFC 1035 section 3.1).

/** A name as its labels, lower-case; the root is empty. Labels are Latin-1: a byte is a character. */
export type Name = readonly string[];

/** Bytes of a name on the wire, and of one label. */
export const longestName = 255;
export const longestLabel = 63;

/** "Web.Default.SVC." -> labels. */
export function parseName(text: string): Name {
  return text.toLowerCase().replace(/\.$/, "").split(".").filter(Boolean);
}

export function nameText(name: Name): string {
  return `${name.join(".")}.`;
}

export function sameName(a: Name, b: Name): boolean {
  return a.length === b.length && a.every((label, at) => label === b[at]);
}

/** What stands before a zone's labels; undefined for a name outside of the zone. */
export function withinZone(name: Name, zone: Name): Name | undefined {
  const at = name.length - zone.length;
  return at >= 0 && sameName(name.slice(at), zone) ? name.slice(0, at) : undefined;
}
