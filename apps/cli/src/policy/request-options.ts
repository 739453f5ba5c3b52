// Options of commands that ask about one request on a connection.
import type { Command } from "commander";
import type { RequestText } from "@tsilium/policy-test";
import { CommandError } from "../failure.ts";

export type RequestOptions = {
  readonly http?: string;
  readonly host?: string;
  readonly header: readonly string[];
  readonly dns?: string;
  readonly kafka?: string;
  readonly sni?: string;
};

export function withRequest(command: Command): Command {
  return command
    .option("--http <request>", '"GET /path": whether a proxy lets this request through')
    .option("--host <name>", "its host, with --http")
    .option("--header <line>", '"name: value", with --http (repeatable)', collected, [])
    .option("--dns <name>", "whether this name may be asked for")
    .option("--kafka <request>", '"fetch:4@client orders": API, version, client and topics')
    .option("--sni <name>", "server name of a TLS handshake; with --http, of its connection");
}

/** @throws CommandError for what is no request, and for parts of a request that is not there */
export function requestText(options: RequestOptions): RequestText {
  const { http, host, header, dns, kafka, sni } = options;
  if (http === undefined && (host !== undefined || header.length > 0))
    throw new CommandError("--host and --header say more of a request: name it with --http");
  const others = {
    ...(dns === undefined ? {} : { dns }),
    ...(kafka === undefined ? {} : { kafka }),
  };
  if (http === undefined) return { ...others, ...(sni === undefined ? {} : { sni }) };
  const [method = "", path, ...rest] = http.trim().split(/\s+/);
  if (path === undefined || rest.length > 0)
    throw new CommandError(`--http takes a method and a path, "GET /public", and not "${http}"`);
  const request = {
    method,
    path,
    headers: header,
    ...(host === undefined ? {} : { host }),
    ...(sni === undefined ? {} : { serverName: sni }),
  };
  return { ...others, http: request };
}

function collected(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
