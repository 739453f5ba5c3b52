// EC2's two encodings: requests as form fields with dotted names, answers as XML. For the simulation.

/** "Filter.1.Value.2=x" as { Filter: ["...", { Value: [...] }] }: numbered names are lists, counted from 1. */
export type Query = { readonly [name: string]: QueryValue };
export type QueryValue = string | Query;

export function parseQuery(body: string): Query {
  const root: Record<string, QueryValue> = Object.create(null);
  for (const [path, value] of new URLSearchParams(body)) {
    const names = path.split(".");
    let at = root;
    for (const name of names.slice(0, -1)) {
      const next = at[name];
      const inner = typeof next === "object" ? next : Object.create(null);
      at[name] = inner;
      at = inner;
    }
    at[names.at(-1) as string] = value;
  }
  return root;
}

export function textOf(query: Query, name: string): string | undefined {
  const value = query[name];
  return typeof value === "string" ? value : undefined;
}

export function numberOf(query: Query, name: string): number | undefined {
  const text = textOf(query, name);
  return text === undefined ? undefined : Number(text);
}

/** Entries of a numbered list, in order. */
export function listOf(query: Query, name: string): QueryValue[] {
  const value = query[name];
  if (typeof value !== "object") return [];
  return Object.entries(value)
    .toSorted(([a], [b]) => Number(a) - Number(b))
    .map(([, entry]) => entry);
}

export function textsOf(query: Query, name: string): string[] {
  return listOf(query, name).filter((entry) => typeof entry === "string");
}

/** Arrays become lists of <item>; undefined is left out. */
export type Xml =
  | string
  | number
  | boolean
  | undefined
  | readonly Xml[]
  | { readonly [name: string]: Xml };

export function toXml(value: Xml): string {
  if (value === undefined) return "";
  if (Array.isArray(value)) return value.map((entry) => `<item>${toXml(entry)}</item>`).join("");
  if (typeof value === "object")
    return Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([name, inner]) => `<${name}>${toXml(inner)}</${name}>`)
      .join("");
  return String(value).replace(/[<>&"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
