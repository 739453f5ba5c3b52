// How to speak to relay, from the settings.
import type { ClientTls } from "@tsilium/hubble/grpc/index.ts";
import type { UiConfig } from "../config.ts";

/** undefined: in clear. */
export function relayTls(config: UiConfig): ClientTls | undefined {
  const caFile = config["tls-ca-cert-files"];
  if (!config.tls && caFile.length === 0) return undefined;
  const certFile = config["tls-client-cert-file"];
  const serverName = config["tls-server-name"];
  return {
    caFile,
    ...(certFile === "" ? {} : { certFile, keyFile: config["tls-client-key-file"] }),
    ...(serverName === "" ? {} : { serverName }),
  };
}
