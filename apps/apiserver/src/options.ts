// The command line of the API server.
import { parseArgs } from "node:util";
import type { Listener, NodePortRange } from "@tsilium/apiserver";

export type Options = {
  readonly dataDir: string;
  readonly pkiDir: string;
  readonly listeners: readonly Listener[];
  /** More names and addresses for the server's certificate. */
  readonly sans: readonly string[];
  /** Where pods reach the API: endpoints of the service "kubernetes". */
  readonly advertise: readonly { readonly address: string; readonly port: number }[];
  readonly controllers: boolean;
  /** Ports that services are given on every node; undefined: Kubernetes' default. */
  readonly nodePortRange: NodePortRange | undefined;
  /** Policies may name nodes by their labels: the agents' enable-node-selector-labels. */
  readonly nodeSelectorLabels: boolean;
  /** Where the kubelet of all nodes listens, for logs and commands. */
  readonly kubeletSocket: string | undefined;
  /** Where an audit.k8s.io/v1 Event of every request is written; undefined: nowhere. */
  readonly audit: AuditOptions | undefined;
  readonly logLevel: string;
};

export type AuditOptions = {
  readonly path: string;
  readonly maxBytes: number;
  readonly maxBackups: number;
};

export const usage = `usage: apiserver --data-dir DIR --pki-dir DIR --listen ADDRESS:PORT... [--listen-fd N]...
                 [--san NAME]... [--advertise ADDRESS:PORT]... [--no-controllers]
                 [--service-node-port-range 30000-32767] [--enable-node-selector-labels] [--kubelet-socket PATH]
                 [--audit-log-path FILE] [--audit-log-maxsize 100] [--audit-log-maxbackup 1] [--log-level info]`;

/** @throws Error telling what is wrong with the arguments. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    allowNegative: true,
    options: {
      "data-dir": { type: "string" },
      "pki-dir": { type: "string" },
      listen: { type: "string", multiple: true, default: [] },
      "listen-fd": { type: "string", multiple: true, default: [] },
      san: { type: "string", multiple: true, default: [] },
      advertise: { type: "string", multiple: true, default: [] },
      controllers: { type: "boolean", default: true },
      "service-node-port-range": { type: "string" },
      "enable-node-selector-labels": { type: "boolean", default: false },
      "kubelet-socket": { type: "string" },
      "audit-log-path": { type: "string" },
      "audit-log-maxsize": { type: "string", default: "100" },
      "audit-log-maxbackup": { type: "string", default: "1" },
      "log-level": { type: "string", default: "info" },
    },
  });
  const listeners: Listener[] = [
    ...values.listen.map(parseEndpoint),
    ...values["listen-fd"].map((text) => ({ fd: parseNumber("--listen-fd", text, 65535) })),
  ];
  if (values.listen.length === 0)
    throw new Error("--listen is needed, for the controllers at least");
  return {
    dataDir: given("--data-dir", values["data-dir"]),
    pkiDir: given("--pki-dir", values["pki-dir"]),
    listeners,
    sans: values.san,
    advertise: values.advertise.map(parseEndpoint),
    controllers: values.controllers,
    nodePortRange: parseRange(values["service-node-port-range"]),
    nodeSelectorLabels: values["enable-node-selector-labels"],
    kubeletSocket: values["kubelet-socket"],
    audit: parseAudit(values),
    logLevel: values["log-level"],
  };
}

/** kube-apiserver's own names; the size is in megabytes. */
function parseAudit(values: {
  readonly "audit-log-path"?: string | undefined;
  readonly "audit-log-maxsize": string;
  readonly "audit-log-maxbackup": string;
}): AuditOptions | undefined {
  const path = values["audit-log-path"];
  const megabytes = parseNumber("--audit-log-maxsize", values["audit-log-maxsize"], 100_000);
  const maxBackups = parseNumber("--audit-log-maxbackup", values["audit-log-maxbackup"], 100);
  if (megabytes === 0) throw new Error("--audit-log-maxsize must be at least 1");
  return path === undefined ? undefined : { path, maxBytes: megabytes * 1_000_000, maxBackups };
}

/** "127.0.0.1:6443", "[::1]:6443" */
function parseEndpoint(text: string): { readonly address: string; readonly port: number } {
  const found = /^(?:\[([0-9a-fA-F:]+)\]|([0-9.]+)):(\d+)$/.exec(text);
  if (!found) throw new Error(`${JSON.stringify(text)} is not ADDRESS:PORT`);
  return { address: found[1] ?? found[2] ?? "", port: parseNumber("port", found[3] ?? "", 65535) };
}

/** "30000-32767" */
function parseRange(text: string | undefined): NodePortRange | undefined {
  if (text === undefined) return undefined;
  const what = "--service-node-port-range";
  const [first = "", last = "", ...rest] = text.split("-");
  const range = { first: parseNumber(what, first, 65535), last: parseNumber(what, last, 65535) };
  if (rest.length > 0 || range.first < 1 || range.first > range.last)
    throw new Error(`${what} must be FIRST-LAST`);
  return range;
}

function parseNumber(what: string, text: string, max: number): number {
  if (!/^\d+$/.test(text) || Number(text) > max)
    throw new Error(`${what} must be a number up to ${max}`);
  return Number(text);
}

function given(what: string, value: string | undefined): string {
  if (value === undefined) throw new Error(`${what} is needed`);
  return value;
}
