// Settings of Hubble that are fine one by one and senseless together.
import { parseListenAddress } from "@tsilium/runtime/config.ts";
import { createFlowMetrics, MetricsConfigError } from "@tsilium/hubble/metrics/index.ts";
import { Registry } from "prom-client";
import type { AgentConfig } from "./keys.ts";

/** What is wrong, a sentence each. */
export function hubbleContradictions(config: AgentConfig): string[] {
  if (!config["enable-hubble"]) return [];
  return [...badAddresses(config), ...missingCertificates(config), ...badMetrics(config)].concat(
    bothHeaders(config),
  );
}

function badMetrics(config: AgentConfig): string[] {
  try {
    createFlowMetrics(config["hubble-metrics"], new Registry());
    return [];
  } catch (error) {
    if (error instanceof MetricsConfigError) return [error.message];
    throw error;
  }
}

function bothHeaders(config: AgentConfig): string[] {
  const [allow, deny] = [
    "hubble-redact-http-headers-allow",
    "hubble-redact-http-headers-deny",
  ] as const;
  const areBoth = config[allow].length > 0 && config[deny].length > 0;
  return areBoth ? [`${allow} and ${deny} exclude each other`] : [];
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
