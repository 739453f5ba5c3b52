// HAProxy's access log as records: a line for each request, written by a process that talks to attackers. What a client
// said is in a line's last field alone, was read before it was written (reading.ts), and is read once more here: no text
// of a client can look like another line or another field.
import type { Direction } from "@tsilium/policy/model.ts";
import type { ProxyRecord } from "../model.ts";

/** What a line says; undefined: it is none that HAProxy writes. An empty list: nothing worth a record. */
export function recordsOf(line: string, direction: Direction): ProxyRecord[] | undefined {
  const read = readLine(line);
  if (!read) return undefined;
  const { kind, verdict, state, status } = read;
  // A client that went away, or was too slow, before it had asked for anything.
  if (verdict === undefined && /^[cC]/.test(state)) return [];
  const about = {
    port: read.port,
    direction,
    protocol: 6,
    client: read.client,
    server: read.server,
    rule: verdict?.rule ?? 0,
  };
  const asked = kind === "s" ? handshake(read) : request(read);
  const { beganUs, endedUs } = read;
  const outcome = verdict?.kind ?? "denied";
  const first: ProxyRecord = {
    timeNs: `${beganUs}000`,
    ...about,
    verdict: outcome,
    l7: { kind: "http", type: 1, latencyNs: 0, code: codeOf(read), ...asked },
  };
  // Of TLS that is passed on there is no answer to tell, nor where nothing was asked that could be read.
  if (kind === "s" || (outcome === "denied" && asked.method === "")) return [first];
  // Our answer is no rule's doing, and says nothing of a server's time.
  if (outcome === "denied")
    return [
      first,
      {
        ...first,
        timeNs: `${endedUs}000`,
        rule: 0,
        verdict: "forwarded",
        l7: { ...first.l7, type: 2 },
      },
    ];
  const { code, failed } = answerOf(status, state);
  const latencyNs = Math.max(0, Number(endedUs) - Number(beganUs)) * 1000;
  const second: ProxyRecord = {
    timeNs: `${endedUs}000`,
    ...about,
    verdict: failed ? "error" : outcome,
    l7: { kind: "http", type: 2, latencyNs, code, ...asked },
  };
  return [first, second];
}

/** A line's fields. Times are decimal digits. */
type Line = {
  readonly kind: "h" | "t" | "s";
  readonly port: number;
  readonly client: ProxyRecord["client"];
  readonly server: ProxyRecord["server"];
  readonly verdict: ReturnType<typeof verdictOf>;
  readonly state: string;
  readonly status: string;
  readonly beganUs: string;
  readonly endedUs: string;
  readonly version: string;
  /** Names of headers, with commas between them; "": none. */
  readonly told: string;
  /** Hexadecimal digits; "": the request was read. */
  readonly raw: string;
  readonly subject: string;
};

const digits = /^\d{1,17}$/;
const addressText = /^[0-9a-f.:]{2,45}$/;
const verdictText = /^(?:-|[abuABUd]\d{1,10}(?::\w+:)?(?:,\w+,\d+)?)$/;

/** kind port client port server port verdict state status began ended version:told:raw subject */
function readLine(line: string): Line | undefined {
  const fields = line.split(" ");
  if (fields.length < 13) return undefined;
  const [kind, port, from, fromPort, to, toPort, verdict, state, status, began, endedUs, about] =
    fields as [string, string, string, string, string, string, string, string, string, ...string[]];
  if (kind !== "h" && kind !== "t" && kind !== "s") return undefined;
  const beganUs = began === "-" ? endedUs : began;
  for (const number of [port, fromPort, toPort, beganUs, endedUs])
    if (!digits.test(number as string)) return undefined;
  if (!addressText.test(from) || !addressText.test(to)) return undefined;
  if (!verdictText.test(verdict) || state.length !== 2) return undefined;
  const subject = fields.slice(12).join(" ");
  if (/[^ -~]/.test(subject)) return undefined;
  // Of a request that was looked at and has nothing else to tell.
  const usual = began === "-" ? "" : "1.1";
  const [version = "", told = "", raw = ""] =
    about === "-" ? [usual] : (about as string).split(":");
  return {
    kind,
    port: Number(port),
    client: { address: from, port: Number(fromPort) },
    server: { address: to, port: Number(toPort) },
    verdict: verdictOf(verdict),
    state,
    status,
    beganUs: beganUs as string,
    endedUs: endedUs as string,
    version,
    told,
    raw,
    subject,
  };
}

type Asked = Pick<
  Extract<ProxyRecord["l7"], { kind: "http" }>,
  "method" | "url" | "protocol" | "headers"
>;

function request({ kind, server, version, told, raw, subject: read }: Line): Asked {
  // Of what was refused: as it came, with characters that would mean something to a terminal made harmless.
  const isRefused = read === "-" && raw !== "";
  const subject = isRefused
    ? Buffer.from(raw, "hex")
        .toString("latin1")
        .replace(/[^ -~]/g, "?")
    : read;
  const hostAt = subject.indexOf(" ") + 1;
  const targetAt = subject.indexOf(" ", hostAt) + 1;
  if (hostAt === 0 || targetAt === 0)
    return { method: "", url: "", protocol: protocols.get(version) ?? "", headers: [] };
  const host = subject.slice(hostAt, targetAt - 1);
  const rest = subject.slice(targetAt);
  // What follows a target that was read is not the client's (rules.ts, "extended").
  const target = isRefused ? rest : (rest.split(" ", 1)[0] ?? "");
  const scheme = kind === "t" ? "https" : "http";
  // Rules see no port that is the connection's; people write it where it is not the scheme's.
  const port =
    server.port === (kind === "t" ? 443 : 80) || /:\d+$/.test(host) ? "" : `:${server.port}`;
  const origin = host === "" ? "" : `${scheme}://${host}${port}`;
  return {
    method: subject.slice(0, hostAt - 1),
    url: target.startsWith("/") ? `${origin}${target}` : target,
    protocol: protocols.get(version) ?? "",
    headers: told === "" ? [] : told.split(",").map((key) => ({ key, value: "" })),
  };
}

const protocols = new Map([
  ["1.0", "HTTP/1.0"],
  ["1.1", "HTTP/1.1"],
  ["2.0", "HTTP/2"],
]);

/** TLS has no kind of its own in flows. Without a name: the address. */
function handshake({ subject, server }: Line): Asked {
  const name = subject.startsWith(".") ? subject.slice(1) : "";
  const shown = name || (server.address.includes(":") ? `[${server.address}]` : server.address);
  return { method: "", url: `https://${shown}`, protocol: "TLS", headers: [] };
}

/** Of what we answered instead of a server. */
function codeOf({ kind, verdict }: Line): number {
  if (kind === "s" || (verdict !== undefined && verdict.kind !== "denied")) return 0;
  return verdict === undefined ? 400 : 403;
}

/** undefined: no rule was asked. */
function verdictOf(text: string) {
  if (text === "-") return undefined;
  const rule = Number.parseInt(text.slice(1), 10);
  const kinds = { u: "audit", U: "audit", d: "denied" } as const;
  return { kind: kinds[text[0] as keyof typeof kinds] ?? ("forwarded" as const), rule };
}

/** HAProxy says how a connection ended in two letters; of what it answered itself it tells no status. */
function answerOf(
  status: string,
  state: string,
): { readonly code: number; readonly failed: boolean } {
  const own: Readonly<Record<string, number>> = { SC: 503, sC: 503, SH: 502, PH: 502, sH: 504 };
  const failed = /^[sSPIRD]/.test(state) || (status === "-" && /^[cC]/.test(state));
  return { code: status === "-" ? (own[state] ?? 0) : Number(status), failed };
}
