// Where relay listens, and with which certificates.
import type { SocketOptions } from "@tsilium/hubble/grpc/index.ts";
import { parseListenAddress } from "@tsilium/runtime";
import { type RelayConfig, unixPath } from "./config.ts";

/** @throws Error for an address that is none */
export function socketsOf(config: RelayConfig): SocketOptions[] {
  return config["listen-address"].map((address) => {
    const path = unixPath.exec(address)?.[1];
    if (path !== undefined) return { unix: path };
    const { host = "::", port } = parseListenAddress(address);
    if (config["disable-server-tls"]) return { host, port };
    return {
      host,
      port,
      tls: {
        certFile: config["tls-relay-server-cert-file"],
        keyFile: config["tls-relay-server-key-file"],
        caFile: config["tls-relay-client-ca-files"],
        // For clients that have nothing newer.
        minVersion: "TLSv1.2",
      },
    };
  });
}

/** Towards the nodes; undefined: plain text. */
export function peerTlsOf(config: RelayConfig) {
  if (config["disable-client-tls"]) return undefined;
  return {
    certFile: config["tls-hubble-client-cert-file"],
    keyFile: config["tls-hubble-client-key-file"],
    caFile: config["tls-hubble-server-ca-files"],
  };
}
