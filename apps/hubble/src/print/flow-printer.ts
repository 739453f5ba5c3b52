// Flows as text for people: a line each (compact), a block each (dict), or columns (table), as Cilium's `hubble` prints
// them. Whatever came from the network or the API goes through printable(): it cannot move the cursor or change colours
// (CVE-2025-48056).
import type { Flow, LostEvents } from "@tsilium/hubble/model.ts";
import { printable } from "../../../cli/src/output.ts";
import { type TimeFormat, timePrinter } from "../time/formats.ts";
import { alignedText } from "./aligned.ts";
import { type Colours, noColours } from "./colour.ts";
import { endsReader } from "./ends.ts";
import {
  nodeNamesText,
  nodeStateName,
  type NodeStatus,
  nodeStatusSentence,
} from "./node-status.ts";
import { byPolicies, deniedBy } from "./policies.ts";
import { flowType, verdictMood, verdictText } from "./words.ts";

export type FlowStyle = {
  readonly format: "compact" | "dict" | "table";
  readonly time: TimeFormat;
  /** Names of nodes too. */
  readonly nodes: boolean;
  /** Names of the policies behind policy verdicts too. */
  readonly policies: boolean;
  /** Pods, services and DNS names in place of addresses. */
  readonly names: boolean;
  readonly colours: Colours;
};

/** What an answer to GetFlows says besides its flow. */
export type Origin = { readonly nodeName: string; readonly timeNs: bigint };

export type FlowPrinter = {
  flow(flow: Flow): string;
  lost(lost: LostEvents, origin: Origin): string;
  /** For stderr. */
  nodeStatus(status: NodeStatus, origin: Origin): string;
  /** What could not be printed before everything was known. */
  end(): string;
};

export function flowPrinter(style: FlowStyle): FlowPrinter {
  switch (style.format) {
    case "compact":
      return compactPrinter(style);
    case "dict":
      return dictPrinter(style);
    case "table":
      return tablePrinter(style);
  }
}

function compactPrinter(style: FlowStyle): FlowPrinter {
  const time = timePrinter(style.time);
  const endsOf = endsReader(style.names, style.colours);
  const verdict = verdictPrinter(style);
  return {
    flow(flow) {
      const [source, destination] = endsOf(flow);
      // Of a reply the client stands on the left all the same.
      const [left, right] = flow.isReply === true ? [destination, source] : [source, destination];
      const arrow = flow.isReply === undefined ? "<>" : flow.isReply ? "<-" : "->";
      const node = style.nodes ? ` [${printable(flow.nodeName)}]` : "";
      const denied = deniedBy(flow);
      return `${time(flow.timeNs)}${node}: ${left.host} ${left.identity} ${arrow} ${right.host} ${right.identity} ${flowType(flow)} ${verdict(flow)} (${printable(flow.summary)})${denied === "" ? "" : ` ${denied}`}\n`;
    },
    lost(lost, { timeNs }) {
      return `${time(timeNs)} EVENTS LOST: ${lostSource(lost)} CPU(${lost.cpu ?? 0}) ${lost.count}${lostSpan(lost, time)}\n`;
    },
    nodeStatus: nodeStatusPrinter(time),
    end: () => "",
  };
}

function dictPrinter(style: FlowStyle): FlowPrinter {
  const time = timePrinter(style.time);
  const endsOf = endsReader(style.names, style.colours);
  const verdict = verdictPrinter(style);
  let separator = "";
  const block = (facts: readonly (readonly [string, string])[]) => {
    const text = facts
      .map(([name, value]) => `${name.padStart(11)}: ${value}`.trimEnd())
      .join("\n");
    const before = separator;
    separator = "------------\n";
    return `${before}${text}\n`;
  };
  const node = (name: string) => (style.nodes ? [["NODE", printable(name)] as const] : []);
  return {
    flow(flow) {
      const [source, destination] = endsOf(flow);
      const denied = deniedBy(flow);
      return block([
        ["TIMESTAMP", time(flow.timeNs)],
        ...node(flow.nodeName),
        ["SOURCE", source.host],
        ["DESTINATION", destination.host],
        ["TYPE", flowType(flow)],
        ["VERDICT", verdict(flow)],
        ["SUMMARY", printable(flow.summary)],
        ...(denied === "" ? [] : [["REASON", denied] as const]),
      ]);
    },
    lost(lost, { timeNs, nodeName }) {
      return block([
        ["TIMESTAMP", time(timeNs)],
        ...node(nodeName),
        ["SOURCE", lostSource(lost)],
        ["TYPE", "EVENTS LOST"],
        ["VERDICT", "-"],
        ["SUMMARY", lostSummary(lost, time)],
      ]);
    },
    nodeStatus(status, { timeNs }) {
      const message = printable(status.message);
      return block([
        ["TIMESTAMP", time(timeNs)],
        ["STATE", nodeStateName(status.state)],
        ["NODES", nodeNamesText(status)],
        ["MESSAGE", message === "" ? "N/A" : JSON.stringify(message)],
      ]);
    },
    end: () => "",
  };
}

function tablePrinter(style: FlowStyle): FlowPrinter {
  const plain = { ...style, colours: noColours };
  const time = timePrinter(style.time);
  const endsOf = endsReader(style.names, noColours);
  const verdict = verdictPrinter(plain);
  const node = (name: string) => (style.nodes ? [printable(name)] : []);
  const rows: string[][] = [];
  return {
    flow(flow) {
      const [source, destination] = endsOf(flow);
      const denied = deniedBy(flow);
      rows.push([
        time(flow.timeNs),
        ...node(flow.nodeName),
        source.host,
        destination.host,
        flowType(flow),
        verdict(flow),
        printable(flow.summary) + (denied === "" ? "" : `; ${denied}`),
      ]);
      return "";
    },
    lost(lost, { timeNs, nodeName }) {
      const what = [lostSource(lost), "-", "EVENTS LOST", "-", lostSummary(lost, time)];
      rows.push([time(timeNs), ...node(nodeName), ...what]);
      return "";
    },
    nodeStatus: nodeStatusPrinter(time),
    end() {
      if (rows.length === 0) return "";
      const head = ["SOURCE", "DESTINATION", "TYPE", "VERDICT", "SUMMARY"];
      return alignedText([["TIMESTAMP", ...(style.nodes ? ["NODE"] : []), ...head], ...rows]);
    },
  };
}

function nodeStatusPrinter(time: (timeNs: bigint) => string): FlowPrinter["nodeStatus"] {
  return (status, { timeNs, nodeName }) =>
    `${time(timeNs)} [${printable(nodeName)}]: ${nodeStatusSentence(status)}\n`;
}

function verdictPrinter({ policies, colours }: FlowStyle): (flow: Flow) => string {
  return (flow) => {
    const mood = verdictMood(flow.verdict);
    const text = verdictText(flow);
    return (mood ? colours[mood](text) : text) + (policies ? byPolicies(flow) : "");
  };
}

const lostSources = [
  "UNKNOWN_LOST_EVENT_SOURCE",
  "PERF_EVENT_RING_BUFFER",
  "OBSERVER_EVENTS_QUEUE",
  "HUBBLE_RING_BUFFER",
];

function lostSource({ source }: LostEvents): string {
  return lostSources[source] ?? String(source);
}

/** CPU 0 also where it was no one CPU: that is what scripts know from Cilium's `hubble`. */
function lostSummary(lost: LostEvents, time: (timeNs: bigint) => string): string {
  return `CPU(${lost.cpu ?? 0}) - ${lost.count}${lostSpan(lost, time)}`;
}

function lostSpan({ firstNs, lastNs }: LostEvents, time: (timeNs: bigint) => string): string {
  return firstNs === 0n ? "" : ` (first: ${time(firstNs)}, last: ${time(lastNs)})`;
}
