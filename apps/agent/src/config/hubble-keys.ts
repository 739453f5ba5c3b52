// Configuration keys of Hubble. Names are Cilium's but for those of the history, which Cilium has not.
import {
  choice,
  duration,
  flag,
  type Key,
  text,
  wholeNumber,
  words,
} from "@tsilium/runtime/config.ts";

/** Flags that monitor-aggregation-flags may name, and their bits in a TCP header. */
export const tcpFlagBits = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10 } as const;
export type TcpFlagName = keyof typeof tcpFlagBits;

const largestBuffer = 65_535;
const mebibytes = [1, 1_048_576] as const;

export const hubbleKeys = {
  "enable-hubble": flag(true, "see every flow of this node, and serve them"),
  "hubble-socket-path": text("", "unix socket of the server; empty: hubble.sock in run-dir"),
  "hubble-listen-address": text(
    "",
    "address where relays and clients of other nodes are served, such as :4244; empty: none",
  ),
  "hubble-disable-tls": flag(false, "serve hubble-listen-address without TLS, to anybody"),
  "hubble-tls-cert-file": text("", "PEM of the server's certificate"),
  "hubble-tls-key-file": text("", "PEM of its key"),
  "hubble-tls-client-ca-files": words("PEM of the authorities of clients' certificates"),
  "hubble-event-buffer-capacity": bufferSize(
    4095,
    "flows kept in memory, one less than a power of two; as many drops and refusals of policy besides",
  ),
  "hubble-event-queue-size": wholeNumber(
    0,
    [0, 1_048_576],
    "events taken from the kernel at a time; 0: 4096",
  ),

  // What the kernel tells
  "monitor-aggregation": choice(
    "medium",
    ["none", "disabled", "lowest", "low", "medium", "max", "maximum"],
    "which forwarded packets make flows; none: each, on coming and on going; low: each, on going; medium, maximum: first packets, new TCP flags and one per interval",
  ),
  "monitor-aggregation-interval": duration(
    5000,
    "time between two flows of a connection and direction, in steps of about a second",
  ),
  "monitor-aggregation-flags": flagList(
    ["syn", "fin", "rst"],
    "TCP flags whose first packet in a connection makes a flow",
  ),
  "bpf-events-default-rate-limit": wholeNumber(
    0,
    [0, 10_000_000],
    "events a second and CPU, of drops and verdicts and of traces each; 0: 10000 and 100000. What exceeds it is counted as lost",
  ),

  // History
  "hubble-history": flag(true, "keep flows on disk"),
  "hubble-history-folder": text("", "folder of past flows; empty: hubble in run-dir"),
  "hubble-history-max-size-mb": wholeNumber(
    1024,
    mebibytes,
    "size of their files; drops and refusals of policy have their own",
  ),
  "hubble-history-max-age": duration(24 * 3_600_000, "age at which flows are removed"),
  "hubble-history-drops-max-size-mb": wholeNumber(
    256,
    mebibytes,
    "size of the files of drops and refusals of policy",
  ),

  // Metrics
  "hubble-metrics": listOfSpaced(
    'metrics of flows with their options, such as "drop:sourceContext=pod tcp"; empty: none',
  ),
  "hubble-metrics-server": text("", "address of them for Prometheus, such as :9965; empty: none"),

  // Files
  "hubble-export-file-path": text("", "file that flows are written to as JSON; empty: none"),
  "hubble-export-file-max-size-mb": wholeNumber(10, mebibytes, "size at which it is rotated"),
  "hubble-export-file-max-backups": wholeNumber(5, [0, 10_000], "rotated files that are kept"),
  "hubble-export-file-compress": flag(false, "compress rotated files"),
  "hubble-export-allowlist": text("", "only flows that one of these filters (JSON) matches"),
  "hubble-export-denylist": text("", "no flow that one of these filters (JSON) matches"),
  "hubble-export-fieldmask": words("only these fields of a flow; empty: all"),
  "hubble-flowlogs-config-path": text(
    "",
    "file (YAML) with any number of exports, followed while the agent runs; empty: none",
  ),

  // What is not told
  "hubble-redact-enabled": flag(
    false,
    "leave out of L7 flows HTTP headers' values, and what is said below",
  ),
  "hubble-redact-http-urlquery": flag(false, "leave out URLs' queries"),
  "hubble-redact-http-userinfo": flag(
    true,
    "leave out passwords in URLs, also without hubble-redact-enabled",
  ),
  "hubble-redact-http-headers-allow": words("HTTP headers whose values are kept; empty: none"),
  "hubble-redact-http-headers-deny": words(
    "HTTP headers whose values are left out, in place of all of them",
  ),
  "hubble-redact-kafka-apikey": flag(false, "leave out Kafka's API keys"),
} as const;

/** 2^n - 1. */
function bufferSize(fallback: number, help: string): Key<number> {
  const range = wholeNumber(fallback, [1, largestBuffer], help);
  return {
    ...range,
    kind: `number 1-${largestBuffer}`,
    parse(written) {
      const value = range.parse(written);
      if ((value & (value + 1)) === 0) return value;
      throw new Error("wanted one less than a power of two, such as 4095");
    },
  };
}

function flagList(fallback: readonly TcpFlagName[], help: string): Key<readonly TcpFlagName[]> {
  const names = Object.keys(tcpFlagBits) as TcpFlagName[];
  return { ...words(help, names), fallback };
}

/** Words separated by blanks alone: options of metrics have commas in them. */
function listOfSpaced(help: string): Key<readonly string[]> {
  return {
    help,
    fallback: [],
    kind: "list",
    parse: (written) => written.split(/\s+/).filter((word) => word !== ""),
  };
}
