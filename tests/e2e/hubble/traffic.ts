// Rows of traffic and the flows that must come of it: sent side by side, and sorted out again by their ports.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "../harness.ts";
import type { Client, Outcome, Request } from "../services/requests.ts";
import type { Family } from "../services/service-lab.ts";
import { lineOf, type LineOptions } from "./lines.ts";
import { observe, type SeenFlow } from "./seen.ts";

export type Row = {
  readonly what: string;
  /** Who sends: a name that `clients` of a batch knows. */
  readonly from: string;
  readonly send: Send;
  /** Of what comes of the request: "ok" if left out. */
  readonly comesTo?: Outcome["kind"] | readonly Outcome["kind"][];
  /** Ports besides the client's that only this row's flows have: behind SNAT the client has another. */
  readonly ports?: readonly number[];
  /** ICMP between these belongs to it: names of addresses. */
  readonly icmp?: readonly string[];
  /** With a tunnel and sockets balanced. For IPv4; "ICMPv4" and "world-ipv4" stand for the other family's too. */
  readonly flows: readonly string[];
  /** With native routing and pods balanced per packet; the row is left out there if it says nothing. */
  readonly native?: readonly string[];
};

export type Send =
  | {
      readonly kind: "ask";
      readonly protocol: Request["protocol"];
      readonly to: (family: Family) => string;
      readonly port: number;
      readonly timeoutMs?: number;
    }
  | { readonly kind: "run"; readonly command: (family: Family) => readonly string[] };

export function ask(
  protocol: Request["protocol"],
  to: (family: Family) => string,
  port: number,
  timeoutMs?: number,
): Send {
  return { kind: "ask", protocol, to, port, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
}

/** One echo request. */
export function ping(to: (family: Family) => string, ...options: readonly string[]): Send {
  return {
    kind: "run",
    command: (family) => ["ping", "-n", "-c", "1", "-W", "2", ...options, to(family)],
  };
}

export type Senders = {
  client(name: string): Client;
  run(name: string, command: readonly string[]): Promise<unknown>;
};

/** Where rows are sent. */
export type Place = {
  readonly lab: Lab;
  readonly senders: Senders;
  readonly line: Omit<LineOptions, "ports">;
  /** Flows of others than the rows, to be left out. */
  readonly others: (flow: SeenFlow) => boolean;
};

export type Batch = Place & {
  readonly family: Family;
  readonly rows: readonly Row[];
  /** Of the first row's client; each has one of its own. */
  readonly firstPort: number;
};

/** Sends all, and fails unless just the wanted flows are seen, each once. */
export async function assertFlows(batch: Batch): Promise<void> {
  const since = new Date().toISOString();
  await sendAll(batch);
  const wanted = batch.rows.map((row) =>
    table(
      row,
      row.flows.map((line) => of(line, batch.family)),
    ),
  );
  let found = await tablesSince(batch, since);
  for (const deadline = Date.now() + 5_000; Date.now() < deadline; await sleep(200)) {
    if (JSON.stringify(found) === JSON.stringify(wanted)) break;
    found = await tablesSince(batch, since);
  }
  assert.deepEqual(found, wanted);
  // Nor is any told later, or again.
  await sleep(250);
  assert.deepEqual(await tablesSince(batch, since), wanted, "a moment later");
}

async function sendAll(batch: Batch): Promise<void> {
  const bySender = Map.groupBy(batch.rows.keys(), (at) => batch.rows[at]?.from ?? "");
  const problems = await Promise.all(
    [...bySender].map(([sender, numbers]) => sendFrom(batch, sender, numbers)),
  );
  assert.deepEqual(problems.flat(), [], "what requests came to");
}

async function sendFrom(
  batch: Batch,
  sender: string,
  numbers: readonly number[],
): Promise<string[]> {
  const { family, rows, senders, firstPort } = batch;
  const problems: string[] = [];
  const asked = numbers.filter((at) => rows[at]?.send.kind === "ask");
  const requests = asked.flatMap((at): Request[] => {
    const send = rows[at]?.send;
    if (send?.kind !== "ask") return [];
    const { protocol, to, port, timeoutMs = 3000 } = send;
    return [{ protocol, address: to(family), port, timeoutMs, fromPort: firstPort + at }];
  });
  const outcomes = requests.length > 0 ? await senders.client(sender).ask(requests) : [];
  for (const [at, outcome] of outcomes.entries()) {
    const row = rows[asked[at] as number] as Row;
    if (![row.comesTo ?? "ok"].flat().includes(outcome.kind))
      problems.push(`${row.what}: ${JSON.stringify(outcome)}`);
  }
  for (const at of numbers) {
    const send = rows[at]?.send;
    if (send?.kind === "run") await senders.run(sender, send.command(family));
  }
  return problems;
}

/** A row's flows, and last those of no row. */
async function tablesSince(batch: Batch, since: string): Promise<string[]> {
  const flows = await observe(batch.lab, "--since", since);
  const own = flows.filter((flow) => !batch.others(flow));
  const ofRow = sorted(own, batch);
  const tables = batch.rows.map((row, at) => {
    const ports = new Map([[batch.firstPort + at, "c"]]);
    return table(
      row,
      (ofRow.get(at) ?? []).map((flow) => lineOf(flow, { ...batch.line, ports })),
    );
  });
  const rest = (ofRow.get(-1) ?? []).map((flow) =>
    lineOf(flow, { ...batch.line, ports: new Map() }),
  );
  return rest.length === 0 ? tables : [...tables, ["of no row", ...rest].join("\n  ")];
}

/** Row (-1: none) -> its flows. */
function sorted(flows: readonly SeenFlow[], batch: Batch): Map<number, SeenFlow[]> {
  const rowOfCookie = new Map<string, number>();
  return Map.groupBy(flows, (flow) => {
    const at = rowOf(flow, batch);
    const { socket_cookie: cookie } = flow;
    if (cookie === undefined) return at;
    // Towards the backend there is no port that is the row's.
    if (at >= 0) rowOfCookie.set(cookie, at);
    return rowOfCookie.get(cookie) ?? -1;
  });
}

function rowOf(flow: SeenFlow, { rows, firstPort, line }: Batch): number {
  const l4 = flow.l4?.TCP ?? flow.l4?.UDP;
  const ports = [l4?.source_port ?? 0, l4?.destination_port ?? 0];
  const byClient = ports.map((port) => port - firstPort).find((at) => rows[at] !== undefined);
  if (byClient !== undefined) return byClient;
  if (l4) return rows.findIndex((row) => ports.some((port) => row.ports?.includes(port)));
  const ends = [flow.IP?.source, flow.IP?.destination].map((address) =>
    line.names.addresses.get(address ?? ""),
  );
  return rows.findIndex(({ icmp }) => icmp && ends.every((end) => end && icmp.includes(end)));
}

function table({ what }: Row, lines: readonly string[]): string {
  // Nodes' clocks are microseconds apart: their flows are in order of time by node alone.
  const byNode = [...Map.groupBy(lines, (line) => line.split(" ")[0])].toSorted();
  return [what, ...byNode.flatMap(([, own]) => own)].join("\n  ");
}

/** Words of IPv4 -> of IPv6. */
const ofIpv6 = [
  ["ICMPv4", "ICMPv6"],
  ["world-ipv4", "world-ipv6"],
  ["(Port)", "(PortUnreachable)"],
  ["(CommAdminProhibited)", "(AdminProhibited)"],
] as const;

function of(line: string, family: Family): string {
  if (family === 4) return line;
  return ofIpv6.reduce((text, [word, other]) => text.replaceAll(word, other), line);
}
