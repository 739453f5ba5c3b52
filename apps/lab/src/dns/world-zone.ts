// The names of the world: `world.test` and everything below it is the world host, and a file may say more.
//
//   { "records": [ { "name": "api.example.org", "type": "A", "data": "203.0.113.20", "ttl": 60 },
//                  { "name": "*.example.org", "type": "CNAME", "data": "world.test" } ] }
//
// A name that starts with "*" stands for every name below the rest. Pure but for `readZone`.
import { readFileSync } from "node:fs";
import { Address } from "@tsilium/net";
import { worldAddresses } from "../layout.ts";
import { addressRecord, wants } from "./cluster.ts";
import { type Answer, type DnsRecord, type Question, rcodes } from "./message.ts";
import { type Name, parseName, sameName, withinZone } from "./name.ts";

export type ZoneRecord = {
  readonly name: string;
  readonly type: "A" | "AAAA" | "CNAME" | "TXT";
  readonly data: string;
  /** Seconds; default 30. */
  readonly ttl?: number;
};

/** Every CNAME is followed within the zone, this far. */
const longestChain = 8;
const defaultTtl = 30;

const builtIn: readonly ZoneRecord[] = ["world.test", "*.world.test"].flatMap((name) => [
  { name, type: "A", data: worldAddresses.ipv4 },
  { name, type: "AAAA", data: worldAddresses.ipv6 },
]);

/** The built-in names and a file's, which win. A file that is not there says nothing. @throws Error */
export function readZone(path: string): ZoneRecord[] {
  try {
    const { records = [] } = JSON.parse(readFileSync(path, "utf8")) as { records?: ZoneRecord[] };
    return [...records, ...builtIn];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [...builtIn];
    throw error;
  }
}

export function answerFromZone(question: Question, zone: readonly ZoneRecord[]): Answer {
  const answers: DnsRecord[] = [];
  let name = question.name;
  let exists = false;
  for (let link = 0; link < longestChain; link++) {
    const found = recordsOf(name, zone);
    exists ||= found.length > 0;
    const alias = found.find(({ type }) => type === "CNAME");
    if (!alias || wants(question, "CNAME")) {
      answers.push(
        ...found
          .filter(({ type }) => wants(question, type))
          .flatMap((record) => toRecord(name, record)),
      );
      break;
    }
    answers.push(...toRecord(name, alias));
    name = parseName(alias.data);
  }
  const rcode = exists ? rcodes.ok : rcodes.noSuchName;
  return { rcode, authoritative: true, answers, authority: [], additional: [] };
}

/** The records of the very name, else of the longest wildcard above it; the first to name it owns it. */
function recordsOf(name: Name, zone: readonly ZoneRecord[]): ZoneRecord[] {
  const exact = zone.filter((record) => sameName(parseName(record.name), name));
  if (exact.length > 0) return exact;
  const wild = zone
    .map((record) => ({ record, labels: parseName(record.name) }))
    .filter(
      ({ labels }) => labels[0] === "*" && (withinZone(name, labels.slice(1))?.length ?? 0) > 0,
    );
  const longest = Math.max(0, ...wild.map(({ labels }) => labels.length));
  return wild.filter(({ labels }) => labels.length === longest).map(({ record }) => record);
}

function toRecord(name: Name, { type, data, ttl = defaultTtl }: ZoneRecord): DnsRecord[] {
  switch (type) {
    case "A":
    case "AAAA": {
      const address = Address.tryParse(data);
      return address?.family === (type === "A" ? 4 : 6) ? [addressRecord(name, address, ttl)] : [];
    }
    case "CNAME":
      return [{ name, ttl, type, target: parseName(data) }];
    case "TXT":
      return [{ name, ttl, type, texts: [data] }];
  }
}
