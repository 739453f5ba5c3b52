// A line of a proxy, as the agent reads it.
import { Address } from "@tsilium/net";
import type { Layer7 } from "@tsilium/hubble/model.ts";
import type {
  FromProxy,
  ListenerProblem,
  ProxyRecord,
  ProxyStatus,
  ResolvedName,
} from "../model.ts";
import { end } from "./read-to-proxy.ts";
import { choice, list, object, optional, ShapeError, text, whole } from "./shape.ts";

/** @throws ShapeError, SyntaxError */
export function readFromProxy(line: string): FromProxy {
  const fields = object(JSON.parse(line), "line");
  const kinds = ["hello", "applied", "records", "resolved", "status"] as const;
  const kind = choice(fields["kind"], "kind", kinds);
  switch (kind) {
    case "hello":
      return {
        kind,
        version: text(fields["version"], "version", 256),
        pid: whole(fields["pid"], "pid"),
        listeners: list(fields["listeners"], "listeners", port),
      };
    case "applied":
      return {
        kind,
        sequence: whole(fields["sequence"], "sequence"),
        problems: list(fields["problems"], "problems", problem),
      };
    case "records":
      return {
        kind,
        records: list(fields["records"], "records", record),
        ...given(
          "lost",
          optional(fields["lost"], "lost", (lost, path) => whole(lost, path)),
        ),
      };
    case "resolved":
      return { kind, answers: list(fields["answers"], "answers", resolved) };
    case "status":
      return { kind, status: status(fields["status"], "status") };
  }
}

function problem(value: unknown, path: string): ListenerProblem {
  const fields = object(value, path);
  return {
    port: port(fields["port"], `${path}.port`),
    reason: text(fields["reason"], `${path}.reason`, 1024),
  };
}

function resolved(value: unknown, path: string): ResolvedName {
  const fields = object(value, path);
  return {
    id: whole(fields["id"], `${path}.id`),
    client: address(fields["client"], `${path}.client`),
    name: name(fields["name"], `${path}.name`),
    aliases: list(fields["aliases"], `${path}.aliases`, name),
    addresses: list(fields["addresses"], `${path}.addresses`, (item, at) => {
      const one = object(item, at);
      return {
        address: address(one["address"], `${at}.address`),
        ttlS: whole(one["ttlS"], `${at}.ttlS`, 2 ** 31),
      };
    }),
    atMs: whole(fields["atMs"], `${path}.atMs`),
  };
}

function record(value: unknown, path: string): ProxyRecord {
  const fields = object(value, path);
  const timeNs = text(fields["timeNs"], `${path}.timeNs`, 20);
  if (!/^\d+$/.test(timeNs)) throw new ShapeError(`${path}.timeNs`, "nanoseconds");
  return {
    timeNs,
    port: port(fields["port"], `${path}.port`),
    direction: choice(fields["direction"], `${path}.direction`, ["ingress", "egress"]),
    protocol: whole(fields["protocol"], `${path}.protocol`, 255),
    client: end(fields["client"], `${path}.client`),
    server: end(fields["server"], `${path}.server`),
    verdict: choice(fields["verdict"], `${path}.verdict`, [
      "forwarded",
      "denied",
      "error",
      "audit",
    ]),
    rule: whole(fields["rule"], `${path}.rule`),
    l7: layer7(fields["l7"], `${path}.l7`),
  };
}

function layer7(value: unknown, path: string): Layer7 {
  const fields = object(value, path);
  const type = whole(fields["type"], `${path}.type`, 3) as Layer7["type"];
  const latencyNs = whole(fields["latencyNs"], `${path}.latencyNs`);
  const words = (field: string) =>
    list(fields[field], `${path}.${field}`, (word, at) => text(word, at, 1024));
  const word = (field: string, max?: number) => text(fields[field], `${path}.${field}`, max);
  const number = (field: string) => whole(fields[field], `${path}.${field}`);
  const kind = choice(fields["kind"], `${path}.kind`, ["dns", "http", "kafka"]);
  switch (kind) {
    case "dns":
      return {
        type,
        latencyNs,
        kind,
        query: word("query", 2048),
        ips: words("ips"),
        ttl: number("ttl"),
        cnames: words("cnames"),
        observationSource: word("observationSource", 64),
        rcode: number("rcode"),
        qtypes: words("qtypes"),
        rrtypes: words("rrtypes"),
      };
    case "http":
      return {
        type,
        latencyNs,
        kind,
        code: number("code"),
        method: word("method", 256),
        url: word("url"),
        protocol: word("protocol", 64),
        headers: list(fields["headers"], `${path}.headers`, (item, at) => {
          const header = object(item, at);
          return {
            key: text(header["key"], `${at}.key`),
            value: text(header["value"], `${at}.value`),
          };
        }),
      };
    case "kafka":
      return {
        type,
        latencyNs,
        kind,
        errorCode: signed(fields["errorCode"], `${path}.errorCode`),
        apiVersion: number("apiVersion"),
        apiKey: word("apiKey", 256),
        correlationId: signed(fields["correlationId"], `${path}.correlationId`),
        topic: word("topic"),
      };
  }
}

function status(value: unknown, path: string): ProxyStatus {
  const fields = object(value, path);
  const requests = object(fields["requests"], `${path}.requests`);
  const count = (of: string) => whole(requests[of], `${path}.requests.${of}`);
  return {
    engine: text(fields["engine"], `${path}.engine`, 256),
    pid: whole(fields["pid"], `${path}.pid`),
    listeners: list(fields["listeners"], `${path}.listeners`, (item, at) => {
      const listener = object(item, at);
      return {
        port: port(listener["port"], `${at}.port`),
        kind: choice(listener["kind"], `${at}.kind`, ["http", "sni", "dns", "kafka"]),
        rules: whole(listener["rules"], `${at}.rules`),
        version: whole(listener["version"], `${at}.version`),
      };
    }),
    connections: whole(fields["connections"], `${path}.connections`),
    requests: {
      forwarded: count("forwarded"),
      denied: count("denied"),
      errors: count("errors"),
    },
    ...given("counters", optional(fields["counters"], `${path}.counters`, counters)),
  };
}

function counters(value: unknown, path: string): Record<string, number> {
  const entries = Object.entries(object(value, path)).slice(0, 256);
  return Object.fromEntries(
    entries.map(([of, count]) => [text(of, path, 64), whole(count, `${path}.${of}`)]),
  );
}

function given<Name extends string, T>(
  field: Name,
  value: T | undefined,
): { readonly [Field in Name]?: T } {
  return (value === undefined ? {} : { [field]: value }) as { readonly [Field in Name]?: T };
}

/** An address in the one way that this project writes it. */
function address(value: unknown, path: string): string {
  const parsed = Address.tryParse(text(value, path, 64));
  if (!parsed) throw new ShapeError(path, "an IP address");
  return parsed.toString();
}

/** A name as DNS has them: 255 bytes, each up to four characters as text. */
function name(value: unknown, path: string): string {
  return text(value, path, 1024);
}

function port(value: unknown, path: string): number {
  return whole(value, path, 65_535);
}

function signed(value: unknown, path: string): number {
  if (!Number.isInteger(value)) throw new ShapeError(path, "a whole number");
  return value as number;
}
