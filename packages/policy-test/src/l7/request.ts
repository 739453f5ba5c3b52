// Requests as people write them: `GET /path`, a DNS name, `produce orders`.
import { kafkaApiKeys, type L7Request } from "@tsilium/policy";
import { TestError } from "../error.ts";

/** At most one of them. */
export type RequestText = {
  /** "GET /path" */
  readonly http?: string | HttpText;
  /** A name that is asked for. */
  readonly dns?: string;
  /** "produce orders bills": an API and topics, `*` for all. "fetch:4 orders" in version 4. */
  readonly kafka?: string;
  /** A server name of a TLS handshake; "" for none. */
  readonly sni?: string;
};

export type HttpText = {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  /** One line each. */
  readonly headers?: Readonly<Record<string, string>> | readonly string[];
  /** Of the TLS handshake. */
  readonly serverName?: string;
};

export const requestKinds = ["http", "dns", "kafka", "sni"] as const;

/**
 * The request that is asked about; undefined: none, the connection alone.
 * @param port of the connection: `Host: a:80` is `a` there
 * @throws TestError request_invalid
 */
export function parseRequest(text: RequestText, port?: number): L7Request | undefined {
  const given = requestKinds.filter((kind) => text[kind] !== undefined);
  if (given.length > 1) throw invalid(`is of one kind: ${given.join(" or ")}`);
  const { http, dns, kafka, sni } = text;
  if (http !== undefined) return httpRequest(typeof http === "string" ? line(http) : http, port);
  if (dns !== undefined) return dnsRequest(dns);
  if (kafka !== undefined) return kafkaRequest(kafka);
  if (sni !== undefined)
    return { kind: "sni", request: { serverName: sni === "" ? undefined : sni } };
  return undefined;
}

/** "GET /public" */
export function requestName(text: RequestText): string | undefined {
  const { http, dns, kafka, sni } = text;
  if (typeof http === "string") return http;
  if (http) return `${http.method ?? "GET"} ${http.path ?? "/"}`;
  if (dns !== undefined) return `DNS ${dns}`;
  if (kafka !== undefined) return `Kafka ${kafka}`;
  return sni === undefined ? undefined : `TLS to ${sni || "no name"}`;
}

/** Header lines, "name: value". @throws TestError request_invalid */
export function headerLines(lines: readonly string[]): readonly (readonly [string, string])[] {
  return lines.map((text) => {
    const colon = text.indexOf(":");
    if (colon <= 0) throw invalid(`has a header that is no "name: value": ${text}`);
    return [text.slice(0, colon), text.slice(colon + 1).trim()] as const;
  });
}

function line(text: string): HttpText {
  const [method = "", path, ...rest] = text.trim().split(/\s+/);
  if (path === undefined || rest.length > 0)
    throw invalid(`is a method and a path, "GET /public", and not "${text}"`);
  return { method, path };
}

function httpRequest(text: HttpText, port: number | undefined): L7Request {
  const { method = "GET", path = "/", host, headers = [], serverName } = text;
  const lines = isLines(headers) ? headerLines(headers) : Object.entries(headers);
  return {
    kind: "http",
    request: {
      method,
      target: path,
      headers: lines,
      ...(host === undefined ? {} : { host }),
      ...(port === undefined ? {} : { port }),
      ...(serverName === undefined ? {} : { serverName }),
    },
  };
}

function isLines(headers: NonNullable<HttpText["headers"]>): headers is readonly string[] {
  return Array.isArray(headers);
}

function dnsRequest(name: string): L7Request {
  if (name === "" || /\s/.test(name)) throw invalid(`asks for a name, and not "${name}"`);
  return { kind: "dns", request: { name } };
}

function kafkaRequest(text: string): L7Request {
  const [api = "", ...topics] = text.trim().split(/\s+/);
  const [, name = "", version, clientId] =
    /^([a-z]+|[0-9]+)(?::([0-9]+))?(?:@(.+))?$/i.exec(api) ?? [];
  const apiKey = /^[0-9]/.test(name) ? Number(name) : kafkaApiKeys.get(name.toLowerCase());
  if (apiKey === undefined)
    throw invalid(
      `is an API of Kafka's and topics, "produce orders" or "fetch:4@client orders", and not "${text}"`,
    );
  return {
    kind: "kafka",
    request: {
      apiKey,
      apiVersion: Number(version ?? 0),
      clientId,
      topics: topics.length === 0 ? undefined : topics.includes("*") ? "all" : topics,
    },
  };
}

function invalid(message: string): TestError {
  return new TestError("request_invalid", `a request ${message}`);
}
