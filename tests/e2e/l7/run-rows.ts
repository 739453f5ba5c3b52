// Asks rows one after the other, and compares what they came to, what the server saw, and what was seen of them.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { lineOf } from "../hubble/lines.ts";
import type { SeenFlow } from "../hubble/seen.ts";
import { namespace, type MatrixLab, type Side } from "./matrix-lab.ts";
import type { Row, Target, Told } from "./rows.ts";
import type { Asked } from "./server.ts";

/** Proxies' connections to servers have these ports: what has another went past them. */
export const upstreamPorts = { first: 16_384, last: 32_767 } as const;

/** Who asks whom, and whose rules are about it. */
export type Place = {
  readonly rows: readonly Row[];
  readonly to: Target;
  readonly side: Side;
  /** Which enforces them. */
  readonly node: string;
  /** Names of the policies whose rules allow, and of those that have none that does. */
  readonly policies: { readonly allowing: readonly string[]; readonly denying: readonly string[] };
};

/** Fails unless all rows come to what they say. */
export async function assertRows(matrix: MatrixLab, place: Place): Promise<void> {
  const from = matrix.flows.flows.length;
  const problems: string[] = [];
  const beginnings: number[] = [];
  for (const row of place.rows) {
    beginnings.push(now());
    problems.push(...(await ask(matrix, row, place.to)));
    // What a client that has ended had sent before is judged all the same.
    if (row.repeats === true) await sleep(20);
  }
  // Nothing of later rows is these rows'.
  beginnings.push(now());
  const wanted = place.rows.map((row) =>
    table(
      row,
      row.flows.map((told) => lineOfTold(told, place)),
    ),
  );
  // Rows that follow may ask the same server.
  let endedMs = Number.POSITIVE_INFINITY;
  const own = () =>
    matrix.flows.flows
      .slice(from)
      .filter((flow) => isTo(flow, place.to) && timeMs(flow) <= endedMs);
  const tables = () => tablesOf(own(), { place, beginnings, matrix });
  await matrix.flows.until(() => JSON.stringify(tables()) === JSON.stringify(wanted), 3_000);
  const check = () =>
    assert.deepEqual({ problems, flows: tables() }, { problems: [], flows: wanted });
  check();
  endedMs = now();
  matrix.checks.push(check);
}

/** UNIX time, milliseconds. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

type Batch = {
  readonly place: Place;
  readonly beginnings: readonly number[];
  readonly matrix: MatrixLab;
};

/** Of each row, its flows. Those of one are over before the next begins. */
function tablesOf(flows: readonly SeenFlow[], { place, beginnings, matrix }: Batch): string[] {
  const sorted = flows.toSorted(byTime);
  const rowOf = (flow: SeenFlow) => beginnings.findLastIndex((begun) => begun <= timeMs(flow));
  return place.rows.map((row, at) => {
    const lines = sorted
      .filter((flow) => rowOf(flow) === at)
      .map((flow) => withPorts(flow, matrix));
    const maybe = new Set(row.maybe?.map((told) => lineOfTold(told, place)));
    return table(
      row,
      lines.filter((line) => !maybe.has(line)),
    );
  });
}

function table({ what, repeats }: Row, lines: readonly string[]): string {
  return [what, ...(repeats === true ? [...new Set(lines)].toSorted() : lines)].join("\n  ");
}

/** Microseconds of protobuf's JSON are more than Date.parse takes. */
function timeMs({ time }: SeenFlow): number {
  const [, seconds = "", fraction = "0"] = /^(.*?)(?:\.(\d+))?Z$/.exec(time) ?? [];
  return Date.parse(`${seconds}Z`) + Number(`0.${fraction}`) * 1000;
}

async function ask({ asker, names }: MatrixLab, row: Row, to: Target): Promise<string[]> {
  const answer = await asker.ask<Record<string, unknown>>(row.ask(to));
  const { word, asked } = outcomeOf(answer);
  if (word !== row.comesTo)
    return [`${row.what}: ${word}, not ${row.comesTo}: ${JSON.stringify(answer)}`];
  if (!asked) return row.saw === undefined ? [] : [`${row.what}: no word of the server`];
  const { headers = {}, ...saw } = row.saw ?? {};
  const found: Record<string, unknown> = { ...asked, ...asked.headers };
  const facts = { server: to.name, ...saw, ...headers };
  const wrong = Object.entries(facts).filter(([key, value]) => found[key] !== value);
  const problems = wrong.map(([key, value]) => `the server saw ${key} ${found[key]}, not ${value}`);
  if (names.addresses.get(asked.client) !== "client")
    problems.push(`the server saw the client ${asked.client}`);
  if (asked.clientPort < upstreamPorts.first || asked.clientPort > upstreamPorts.last)
    problems.push(`past the proxy, from port ${asked.clientPort}`);
  return problems.map((problem) => `${row.what}: ${problem}`);
}

/** Of curl "200 1.1", of nghttp "200", of dig "NOERROR", of gRPC "OK hello"; and what the server said. */
function outcomeOf(answer: Record<string, unknown>): { word: string; asked?: Asked | undefined } {
  if ("opened" in answer)
    return { word: answer["opened"] === true ? `echoed ${answer["echoed"]}` : "not opened" };
  if ("details" in answer)
    return { word: `${answer["status"]} ${answer["details"] || answer["body"]}` };
  const output = String(answer["output"]);
  const json = /\{"server":.*\}\}/.exec(output)?.[0];
  const asked = json === undefined ? undefined : (JSON.parse(json) as Asked);
  const byCurl = /\n(\d{3} [\d.]+)$/.exec(output)?.[1];
  const byNghttp = /:status: (\d{3})/.exec(output)?.[1];
  const byDig = [...output.matchAll(/->>HEADER<<- .* status: (\w+)/g)].at(-1)?.[1];
  const byKcat = /(\w+ authorization failed|Timed out|no such .*)/i.exec(output)?.[1];
  const exit = `exit ${answer["status"]}${byKcat === undefined ? "" : ` ${byKcat}`}`;
  const word = byCurl?.startsWith("000") ? exit : (byCurl ?? byNghttp ?? byDig ?? exit);
  return { word, asked };
}

/** URLs in flows name the server's port, unless it is the scheme's or the client named one. */
function urlsWithPorts(text: string, port: number): string {
  if (text.startsWith("TLS ")) return text;
  return text.replace(/(https?:\/\/[^/:\s]+)(?=[/\s]|$)/g, `$1:${port}`);
}

function lineOfTold(told: Told, { to, side, node, policies }: Place): string {
  const server = `${to.name}:${to.port}`;
  const ends = told.kind === "request" ? `client:c -> ${server}` : `${server} -> client:c`;
  const text = urlsWithPorts(
    told.text.replaceAll("{to}", to.name).replaceAll("{port}", String(to.port)),
    to.port,
  );
  const isDenied = told.verdict === "DROPPED";
  const names = (isDenied ? policies.denying : policies.allowing)
    .map((name) => `CiliumNetworkPolicy ${name} spec.${side}[0].toPorts[0]`)
    .join(" and ");
  const by = `, ${isDenied ? "denied" : "allowed"}${side === "egress" ? " at egress" : ""} by ${names}`;
  const unjudged = told.verdict === "DROPPED" ? told.malformed === true : told.isOwn === true;
  return `${node} ${told.verdict} l7: ${ends} ${text}, ${side}, ${told.kind}${unjudged ? "" : by}`;
}

function isTo({ IP, l4 }: SeenFlow, to: Target): boolean {
  const ports = l4?.TCP ?? l4?.UDP;
  return [
    [IP?.source, ports?.source_port],
    [IP?.destination, ports?.destination_port],
  ].some(([address, port]) => address === to.address && port === to.port);
}

function withPorts(flow: SeenFlow, { names }: MatrixLab): string {
  const ports = flow.l4?.TCP ?? flow.l4?.UDP;
  const client = flow.is_reply ? ports?.destination_port : ports?.source_port;
  return lineOf(flow, { names, namespace, ports: new Map([[client ?? 0, "c"]]) });
}

function byTime(a: SeenFlow, b: SeenFlow): number {
  return timeMs(a) - timeMs(b);
}
