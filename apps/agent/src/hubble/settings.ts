// The worker's settings from the agent's configuration.
import { hostname } from "node:os";
import { join } from "node:path";
import type { ExportersOptions } from "@tsilium/hubble/exporter/index.ts";
import type { RedactOptions } from "@tsilium/hubble/redact/index.ts";
import type { AgentConfig } from "../config/keys.ts";

export type HubbleSettings = {
  readonly nodeName: string;
  readonly clusterName: string;
  readonly logLevel: string;
  readonly socketPath: string;
  /** "" for none. */
  readonly listenAddress: string;
  /** PEM files; undefined: without TLS. */
  readonly tls:
    | { readonly cert: string; readonly key: string; readonly clientCas: readonly string[] }
    | undefined;
  readonly bufferCapacity: number;
  /** Events taken from the kernel at a time. */
  readonly eventsPerTurn: number;
  readonly history:
    | {
        readonly folder: string;
        readonly maxBytes: number;
        readonly maxAgeMs: number;
        readonly dropsMaxBytes: number;
      }
    | undefined;
  readonly metrics: { readonly words: readonly string[]; readonly address: string };
  readonly exporter: ExporterSettings;
  readonly redact: RedactOptions;
};

export type ExporterSettings = Pick<
  ExportersOptions,
  | "filePath"
  | "fileMaxSizeMb"
  | "fileMaxBackups"
  | "fileCompress"
  | "allowlist"
  | "denylist"
  | "fieldMask"
  | "flowLogsConfigPath"
>;

const bytesPerMegabyte = 1 << 20;
const usualEventsPerTurn = 4096;

export function hubbleSettings(config: AgentConfig): HubbleSettings {
  const runDir = config["run-dir"];
  const inBytes = (megabytes: number) => megabytes * bytesPerMegabyte;
  return {
    nodeName: config["k8s-node-name"] || hostname(),
    clusterName: config["cluster-name"],
    logLevel: config["log-level"],
    socketPath: config["hubble-socket-path"] || join(runDir, "hubble.sock"),
    listenAddress: config["hubble-listen-address"],
    tls: config["hubble-disable-tls"]
      ? undefined
      : {
          cert: config["hubble-tls-cert-file"],
          key: config["hubble-tls-key-file"],
          clientCas: config["hubble-tls-client-ca-files"],
        },
    bufferCapacity: config["hubble-event-buffer-capacity"],
    eventsPerTurn: config["hubble-event-queue-size"] || usualEventsPerTurn,
    history: config["hubble-history"]
      ? {
          folder: config["hubble-history-folder"] || join(runDir, "hubble"),
          maxBytes: inBytes(config["hubble-history-max-size-mb"]),
          maxAgeMs: config["hubble-history-max-age"],
          dropsMaxBytes: inBytes(config["hubble-history-drops-max-size-mb"]),
        }
      : undefined,
    metrics: { words: config["hubble-metrics"], address: config["hubble-metrics-server"] },
    exporter: {
      filePath: config["hubble-export-file-path"],
      fileMaxSizeMb: config["hubble-export-file-max-size-mb"],
      fileMaxBackups: config["hubble-export-file-max-backups"],
      fileCompress: config["hubble-export-file-compress"],
      allowlist: config["hubble-export-allowlist"],
      denylist: config["hubble-export-denylist"],
      fieldMask: config["hubble-export-fieldmask"],
      flowLogsConfigPath: config["hubble-flowlogs-config-path"],
    },
    redact: {
      enabled: config["hubble-redact-enabled"],
      urlQuery: config["hubble-redact-http-urlquery"],
      userInfo: config["hubble-redact-http-userinfo"],
      headersAllow: config["hubble-redact-http-headers-allow"],
      headersDeny: config["hubble-redact-http-headers-deny"],
      kafkaApiKey: config["hubble-redact-kafka-apikey"],
    },
  };
}
