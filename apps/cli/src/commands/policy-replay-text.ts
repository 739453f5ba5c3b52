// What a replay found, for people and for programs. Pure.
import type { Flow } from "@tsilium/hubble/model.ts";
import type {
  ReplayChange,
  ReplayReport,
  SeenConnection,
  SeenEnd,
} from "@tsilium/policy/replay/index.ts";
import { portText } from "@tsilium/policy/suggest/index.ts";
import { ruleName } from "@tsilium/policy-test";

export type ReplayTold = ReplayReport & {
  /** That were read. */
  readonly flows: number;
  /** Of connections beyond those that are kept apart. */
  readonly leftOutFlows: number;
  readonly lost: number;
  readonly unavailable: readonly string[];
  /** Rules of the change look into requests, and those are not put to policies. */
  readonly requestsLeftOut: boolean;
};

export function replayLines(told: ReplayTold): string[] {
  return [...told.changes.flatMap(changeLines), ...summaryLines(told)];
}

function changeLines(change: ReplayChange): string[] {
  const [first] = change.connections;
  if (first === undefined) return [];
  const { from, to } = endsOf(change.connections);
  const deciders =
    change.by.length === 0 ? "no policy denies it" : change.by.map(ruleName).join(", ");
  return [
    `${listed(from)} -> ${listed(to)}  ${portText(first.port)}  ${change.before} -> ${change.after}`,
    `    ${counted(change.flows, "flow")} (${deciders})`,
    `    such as ${exampleText(newestOf(change.connections))}`,
    "",
  ];
}

function summaryLines({
  changes,
  flows,
  connections,
  recordedOtherwise,
  leftOutFlows,
  requestsLeftOut,
}: ReplayTold): string[] {
  const changed = changes.reduce((sum, change) => sum + change.flows, 0);
  const lines = [
    `${counted(flows, "flow")} of ${counted(connections, "connection")}: ${
      changes.length === 0 ? "no verdict changes" : `the verdict of ${changed} would change`
    }`,
  ];
  if (recordedOtherwise > 0)
    lines.push(
      `${counted(recordedOtherwise, "connection")} became of otherwise than policies now would have it: they changed since`,
    );
  if (leftOutFlows > 0)
    lines.push(`${counted(leftOutFlows, "flow")} left out: of too many connections`);
  if (requestsLeftOut)
    lines.push("connections only: without --since and --flows, requests are compared too");
  return lines;
}

export function counted(count: number, noun: string, several = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : several}`;
}

function endsOf(connections: readonly SeenConnection[]) {
  return {
    from: [...new Set(connections.map(({ from }) => endName(from)))].toSorted(),
    to: [...new Set(connections.map(({ to }) => endName(to)))].toSorted(),
  };
}

const mostShown = 4;

function listed(names: readonly string[]): string {
  const rest = names.length - mostShown;
  return `${names.slice(0, mostShown).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}

/** "shop/frontend", "world (203.0.113.7)" */
export function endName({ party, endpoint, address }: SeenEnd): string {
  if (party.kind === "entity")
    return party.name === "world" && address !== "" ? `world (${address})` : party.name;
  const workload = endpoint.workloads[0]?.name;
  if (workload !== undefined) return `${party.namespace}/${workload}`;
  const labels = Object.entries(party.labels).map((pair) => pair.join("="));
  return `${party.namespace}/${labels.join(",") || endpoint.podName}`;
}

function newestOf(connections: readonly SeenConnection[]): Flow {
  const examples = connections.map(({ example }) => example);
  return examples.reduce((newest, flow) => (flow.timeNs > newest.timeNs ? flow : newest));
}

function exampleText(flow: Flow): string {
  const { source, destination, ip, l4 } = flow;
  const ports = l4 !== undefined && "sourcePort" in l4 ? l4 : undefined;
  const end = (endpoint: Flow["source"], address = "", port?: number) => {
    const name = endpoint.podName === "" ? "" : `${endpoint.namespace}/${endpoint.podName} `;
    const host = address.includes(":") && port !== undefined ? `[${address}]` : address;
    return `${name}${host}${port === undefined ? "" : `:${port}`}`;
  };
  const from = end(source, ip?.source, ports?.sourcePort);
  const to = end(destination, ip?.destination, ports?.destinationPort);
  return `${timeText(flow.timeNs)} ${from} -> ${to} on ${flow.nodeName || "a node"}`;
}

function timeText(timeNs: bigint): string {
  return new Date(Number(timeNs / 1_000_000n)).toISOString();
}

/** For -o json. */
export function replayView(told: ReplayTold): object {
  const { changes, ...numbers } = told;
  return { ...numbers, changes: changes.map(changeView) };
}

function changeView({ before, after, by, connections, flows }: ReplayChange): object {
  const [first] = connections;
  const example = newestOf(connections);
  return {
    from: endViews(connections.map(({ from }) => from)),
    to: endViews(connections.map(({ to }) => to)),
    port: first === undefined ? "" : portText(first.port),
    before,
    after,
    by,
    flows,
    connections: connections.length,
    example: {
      time: timeText(example.timeNs),
      uuid: example.uuid,
      nodeName: example.nodeName,
      text: exampleText(example),
    },
  };
}

function endViews(ends: readonly SeenEnd[]): object {
  const [first] = ends;
  if (first === undefined) return {};
  const { party } = first;
  const addresses = [...new Set(ends.map(({ address }) => address).filter(Boolean))].toSorted();
  const workloads = [
    ...new Set(
      ends.flatMap(({ endpoint }) => endpoint.workloads.map(({ kind, name }) => `${kind}/${name}`)),
    ),
  ];
  if (party.kind === "entity") return { entity: party.name, addresses };
  return { namespace: party.namespace, labels: party.labels, workloads, addresses };
}
