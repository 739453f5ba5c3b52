// How gRPC tells the end of a call: trailers grpc-status (a number of Code, 0 for success) and grpc-message.
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";

/** Longer ones are cut: some clients refuse large headers. */
const maxMessage = 1024;

/** undefined: success. */
export function statusTrailers(error: ConnectError | undefined): OutgoingHttpHeaders {
  if (error === undefined) return { "grpc-status": "0" };
  return {
    "grpc-status": String(error.code),
    "grpc-message": percentEncode(error.rawMessage.slice(0, maxMessage)),
  };
}

/**
 * What trailers (or headers that are trailers too) say: undefined for success.
 * Without a status the call did not end as calls do: UNKNOWN.
 */
export function statusOf(trailers: IncomingHttpHeaders): ConnectError | undefined {
  const status = trailers["grpc-status"];
  const code = Number(status);
  if (status === "0") return undefined;
  const message = percentDecode(String(trailers["grpc-message"] ?? ""));
  const known = Number.isInteger(code) && Code[code] !== undefined;
  if (status === undefined)
    return new ConnectError("the call ended without a status", Code.Unknown);
  return new ConnectError(message, known ? (code as Code) : Code.Unknown);
}

/** An HTTP answer that is none of gRPC's, as gRPC's rules map it. */
export function statusOfHttp(status: number): ConnectError {
  const message = `HTTP status ${status}`;
  if (status === 401) return new ConnectError(message, Code.Unauthenticated);
  if (status === 403) return new ConnectError(message, Code.PermissionDenied);
  if (status === 404) return new ConnectError(message, Code.Unimplemented);
  if ([429, 502, 503, 504].includes(status)) return new ConnectError(message, Code.Unavailable);
  return new ConnectError(message, status === 400 ? Code.Internal : Code.Unknown);
}

/** Everything but printable ASCII, and "%" itself, as "%XX" of its UTF-8. */
export function percentEncode(text: string): string {
  let encoded = "";
  for (const byte of Buffer.from(text)) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

/** Never fails: what is not an escape stays as it is. */
export function percentDecode(text: string): string {
  const bytes: number[] = [];
  const source = Buffer.from(text);
  for (let at = 0; at < source.length; at++) {
    const escape = /^%([0-9a-fA-F]{2})/.exec(source.toString("latin1", at, at + 3));
    bytes.push(escape ? parseInt(escape[1] as string, 16) : (source[at] as number));
    if (escape) at += 2;
  }
  return Buffer.from(bytes).toString();
}

const unitsMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/** The header grpc-timeout in milliseconds, at least one; undefined: none. @throws ConnectError for nonsense */
export function parseTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const found = /^(\d{1,8})([HMSmun])$/.exec(text);
  if (!found) throw new ConnectError("grpc-timeout is not a timeout", Code.InvalidArgument);
  return Math.max(1, Math.ceil(Number(found[1]) * (unitsMs[found[2] as string] as number)));
}
