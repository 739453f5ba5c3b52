// Agent events and debug events as text, in the words of Cilium's `hubble`. Pure.
import type { AgentEvent, DebugEvent, Endpoint } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import { printable } from "../../../cli/src/output.ts";
import { type TimeFormat, timePrinter } from "../time/formats.ts";
import { alignedText } from "./aligned.ts";
import type { Origin } from "./flow-printer.ts";

export type EventStyle = {
  readonly format: "compact" | "dict" | "table";
  readonly time: TimeFormat;
  readonly nodes: boolean;
};

export type EventPrinter<Event> = {
  event(event: Event, origin: Origin): string;
  /** What could not be printed before everything was known. */
  end(): string;
};

/** @param typeName flow.AgentEventType -> its name. */
export function agentEventPrinter(
  style: EventStyle,
  typeName: (type: number) => string,
): EventPrinter<AgentEvent> {
  const time = timePrinter(style.time);
  return eventPrinter(style, time, ["TYPE", "DETAILS"], {
    fields: (event) => [typeName(event.type), printable(agentEventDetails(event, time))],
    line: ([type, details]) => `${type} (${details})`,
  });
}

/** @param typeName flow.DebugEventType -> its name. */
export function debugEventPrinter(
  style: EventStyle,
  typeName: (type: number) => string,
): EventPrinter<DebugEvent> {
  const time = timePrinter(style.time);
  return eventPrinter(style, time, ["TYPE", "FROM", "MARK", "CPU", "MESSAGE"], {
    fields: ({ type, source, hash, cpu, message }) => [
      typeName(type),
      source ? printable(endpointText(source)) : "N/A",
      hash === undefined ? "N/A" : `0x${hash.toString(16)}`,
      cpu === undefined ? "N/A" : String(cpu).padStart(2, "0"),
      printable(message),
    ],
    line: ([type, from, mark, cpu, message]) =>
      `${from} ${type} MARK: ${mark} CPU: ${cpu} (${message})`,
  });
}

function eventPrinter<Event>(
  style: EventStyle,
  time: (timeNs: bigint) => string,
  head: readonly string[],
  {
    fields,
    line,
  }: { fields: (event: Event) => string[]; line: (fields: readonly string[]) => string },
): EventPrinter<Event> {
  const rows: string[][] = [];
  let separator = "";
  const node = (origin: Origin) => (style.nodes ? [printable(origin.nodeName)] : []);
  return {
    event(event, origin) {
      const values = fields(event);
      const [name] = node(origin);
      switch (style.format) {
        case "compact":
          return `${time(origin.timeNs)}${name === undefined ? "" : ` [${name}]`}: ${line(values)}\n`;
        case "table":
          rows.push([time(origin.timeNs), ...node(origin), ...values]);
          return "";
        case "dict": {
          const names = ["TIMESTAMP", ...(style.nodes ? ["NODE"] : []), ...head];
          const all = [time(origin.timeNs), ...node(origin), ...values];
          const lines = names.map((fact, at) => `${fact.padStart(11)}: ${all[at]}\n`);
          const before = separator;
          separator = "------------\n";
          return before + lines.join("");
        }
      }
    },
    end() {
      if (rows.length === 0) return "";
      return alignedText([["TIMESTAMP", ...(style.nodes ? ["NODE"] : []), ...head], ...rows]);
    },
  };
}

/** What happened, in a line. */
export function agentEventDetails(
  { notification }: AgentEvent,
  time: (timeNs: bigint) => string,
): string {
  switch (notification.case) {
    case "unknown":
      return `type: ${notification.value.type}, notification: ${notification.value.notification}`;
    case "agentStart": {
      const at = notification.value.time;
      return `start time: ${at ? time(at.seconds * 1_000_000_000n + BigInt(at.nanos)) : "N/A"}`;
    }
    case "policyUpdate": {
      const { labels, revision, ruleCount } = notification.value;
      return `labels: [${labels.join(",")}], revision: ${revision}, count: ${ruleCount}`;
    }
    case "endpointRegenerate": {
      const { id, labels, error } = notification.value;
      return `id: ${id}, labels: [${labels.join(",")}]${named("error", error)}`;
    }
    case "endpointUpdate": {
      const { id, namespace, podName } = notification.value;
      return `id: ${id}${named("namespace", namespace)}${named("pod name", podName)}`;
    }
    case "ipcacheUpdate": {
      const { cidr, identity, oldIdentity, hostIp, oldHostIp, encryptKey } = notification.value;
      const old = oldIdentity === undefined ? "" : `, old identity: ${oldIdentity}`;
      return `cidr: ${cidr}, identity: ${identity}${old}${named("host ip", hostIp)}${named("old host ip", oldHostIp)}, encrypt key: ${encryptKey}`;
    }
    case "serviceUpsert": {
      const { id, frontendAddress, backendAddresses, type, trafficPolicy, namespace, name } =
        notification.value;
      const frontend = frontendAddress ? addressText(frontendAddress) : "";
      const backends = backendAddresses.map(addressText).join(",");
      return `id: ${id}${named("frontend", frontend)}${backends === "" ? "" : `, backends: [${backends}]`}${named("type", type)}${named("traffic policy", trafficPolicy)}${named("namespace", namespace)}${named("name", name)}`;
    }
    case "serviceDelete":
      return `id: ${notification.value.id}`;
    case undefined:
      return "UNKNOWN";
  }
}

function named(name: string, value: string): string {
  return value === "" ? "" : `, ${name}: ${value}`;
}

function addressText({ ip, port }: { readonly ip: string; readonly port: number }): string {
  return `${ip.includes(":") ? `[${ip}]` : ip}:${port}`;
}

function endpointText({ ID, namespace, podName, labels }: Endpoint): string {
  if (namespace !== "" && podName !== "") return `${namespace}/${podName} (ID: ${ID})`;
  const [label] = labels;
  if (labels.length === 1 && label?.startsWith("reserved:")) return `${label} (ID: ${ID})`;
  return `ID: ${ID}`;
}
