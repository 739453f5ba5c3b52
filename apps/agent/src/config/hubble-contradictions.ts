// Settings of Hubble that are fine one by one and senseless together, and those that only Hubble's own parts can judge.
import { isAbsolute } from "node:path";
import { parseListenAddress } from "@tsilium/runtime/config.ts";
import { exportProblems } from "@tsilium/hubble/exporter/index.ts";
import { createFlowMetrics, MetricsConfigError } from "@tsilium/hubble/metrics/index.ts";
import { Registry } from "prom-client";
import type { AgentConfig } from "./keys.ts";

/** What is wrong, a sentence each. */
export function hubbleContradictions(config: AgentConfig): string[] {
  if (!config["enable-hubble"]) return [];
  return [
    ...badAddresses(config),
    ...badPaths(config),
    ...missingCertificates(config),
    ...badMetrics(config),
    ...badExport(config),
    ...badRedaction(config),
    ...(config["hubble-history"] && config["hubble-history-max-age"] === 0
      ? ["hubble-history-max-age: wanted more than 0, or hubble-history=false"]
      : []),
  ];
}

function badPaths(config: AgentConfig): string[] {
  return (["hubble-socket-path", "hubble-history-folder"] as const).flatMap((key) =>
    config[key] === "" || isAbsolute(config[key])
      ? []
      : [`${key}: wanted an absolute path, got "${config[key]}"`],
  );
}

function badExport(config: AgentConfig): string[] {
  return exportProblems({
    filePath: config["hubble-export-file-path"],
    allowlist: config["hubble-export-allowlist"],
    denylist: config["hubble-export-denylist"],
    fieldMask: config["hubble-export-fieldmask"],
    flowLogsConfigPath: config["hubble-flowlogs-config-path"],
  });
}

function badMetrics(config: AgentConfig): string[] {
  try {
    createFlowMetrics(config["hubble-metrics"], new Registry());
    const isServed =
      config["hubble-metrics"].length === 0 || config["hubble-metrics-server"] !== "";
    return isServed ? [] : ["hubble-metrics needs hubble-metrics-server, such as :9965"];
  } catch (error) {
    if (error instanceof MetricsConfigError) return [error.message];
    throw error;
  }
}

/** Whoever asks for something to be left out must not find it told. */
function badRedaction(config: AgentConfig): string[] {
  const [allow, deny] = [
    "hubble-redact-http-headers-allow",
    "hubble-redact-http-headers-deny",
  ] as const;
  const areBoth = config[allow].length > 0 && config[deny].length > 0;
  const asked = [
    ...(["hubble-redact-http-urlquery", "hubble-redact-kafka-apikey"] as const).filter(
      (key) => config[key],
    ),
    ...[allow, deny].filter((key) => config[key].length > 0),
  ];
  return [
    ...(areBoth ? [`${allow} and ${deny} exclude each other`] : []),
    ...(config["hubble-redact-enabled"]
      ? []
      : asked.map((key) => `${key} needs hubble-redact-enabled`)),
  ];
}

function badAddresses(config: AgentConfig): string[] {
  return (["hubble-listen-address", "hubble-metrics-server"] as const).flatMap((key) => {
    if (config[key] === "") return [];
    try {
      parseListenAddress(config[key]);
      return [];
    } catch (error) {
      return [`${key}: ${(error as Error).message}`];
    }
  });
}

function missingCertificates(config: AgentConfig): string[] {
  if (config["hubble-listen-address"] === "" || config["hubble-disable-tls"]) return [];
  const files = [
    "hubble-tls-cert-file",
    "hubble-tls-key-file",
    "hubble-tls-client-ca-files",
  ] as const;
  return files.flatMap((key) =>
    config[key].length === 0 ? [`hubble-listen-address needs ${key}, or hubble-disable-tls`] : [],
  );
}
