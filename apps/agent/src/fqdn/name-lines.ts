// The lines of the file of names: JSON behind its checksum, since one bit of an address allows another address. Read as
// strictly as they are written: what is not exactly a line of ours is none.
import { crc32 } from "node:zlib";
import { selectorKey, selectorOf } from "@tsilium/fqdn";
import type { NameEntry } from "@tsilium/fqdn/model.ts";
import { Address } from "@tsilium/net";
import type { EntryKey, NameRecord } from "./name-file.ts";

/** Raised when the meaning of a line changes; files of another format are set aside. */
const format = 1;
const longestName = 1024;

export type Header = { readonly kind: "header"; readonly bootId: string };

export function encodeHeader(bootId: string): string {
  return encodeLine({ format, bootId });
}

/** @param keys as `SelectorIndex#keys` has them */
export function encodeSelectors(keys: readonly string[]): string {
  return encodeLine({ selectors: keys });
}

export function encodeEntries(entries: readonly NameEntry[]): string {
  const rows = entries.map((entry) => [
    entry.endpoint,
    entry.name,
    entry.address,
    entry.asked ? 1 : 0,
    entry.aliases,
    entry.lookedUpMs,
    entry.ttlS,
    entry.expiresMs,
  ]);
  return encodeLine({ entries: rows });
}

export function encodeRemoved(entries: readonly EntryKey[]): string {
  const rows = entries.map(({ endpoint, name, address }) => [endpoint, name, address]);
  return encodeLine({ removed: rows });
}

/** Anything as a line. */
export function encodeLine(value: unknown): string {
  const text = JSON.stringify(value);
  return `${checksum(text)} ${text}\n`;
}

/** undefined: not a line of this format. */
export function decodeLine(line: string): NameRecord | Header | undefined {
  const fields = parsed(line);
  if (!fields) return undefined;
  const [kind] = Object.keys(fields);
  const value = kind === undefined ? undefined : fields[kind];
  switch (kind) {
    case "format":
      return value === format && isText(fields["bootId"])
        ? { kind: "header", bootId: fields["bootId"] }
        : undefined;
    case "selectors":
      return isList(value) && value.every(isKey)
        ? { kind, selectors: value.map(selectorOf) }
        : undefined;
    case "entries": {
      const entries = rows(value, entryOf);
      return entries && { kind, entries };
    }
    case "removed": {
      const entries = rows(value, keyOf);
      return entries && { kind, entries };
    }
    default:
      return undefined;
  }
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}

function parsed(line: string): Readonly<Record<string, unknown>> | undefined {
  const text = line.slice(9);
  if (line.slice(0, 9) !== `${checksum(text)} `) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !isList(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}

function rows<Row>(value: unknown, read: (row: readonly unknown[]) => Row | undefined) {
  if (!isList(value)) return undefined;
  const found = value.map((row) => (isList(row) ? read(row) : undefined));
  return found.every((row) => row !== undefined) ? found : undefined;
}

function entryOf(row: readonly unknown[]): Omit<NameEntry, "connected"> | undefined {
  const key = keyOf(row.slice(0, 3));
  const [asked, aliases, lookedUpMs, ttlS, expiresMs] = row.slice(3);
  const isWhole = key && row.length === 8 && (asked === 0 || asked === 1);
  if (!isWhole || !isList(aliases) || !aliases.every(isText)) return undefined;
  if (!isNumber(lookedUpMs) || !isNumber(ttlS) || !isNumber(expiresMs)) return undefined;
  return { ...key, asked: asked === 1, aliases, lookedUpMs, ttlS, expiresMs };
}

function keyOf(row: readonly unknown[]): EntryKey | undefined {
  const [endpoint, name, address] = row;
  if (row.length !== 3 || !isNumber(endpoint) || !isText(name) || !isText(address))
    return undefined;
  return Address.tryParse(address)?.toString() === address
    ? { endpoint, name, address }
    : undefined;
}

function isKey(value: unknown): value is string {
  return isText(value) && value !== "" && selectorKey(selectorOf(value)) === value;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= longestName;
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}
