// What can be set by a flag, by an environment variable (HUBBLE_...) and in the configuration file: how to reach the
// server, and which flows never matter. The keys are those of Cilium's `hubble`.

export type ConfigKind = "string" | "bool" | "duration" | "strings";

export type ConfigKey = {
  readonly name: string;
  readonly kind: ConfigKind;
  readonly short?: string;
  readonly help: string;
  /** As text; of "strings" none, one a line. */
  readonly default: string;
  readonly group: "Server" | "Raw filters" | "Global";
};

export const configKeys = [
  {
    name: "server",
    kind: "string",
    help: "address of a Hubble server or relay: unix:///PATH, HOST:PORT, tls://HOST:PORT (default: the lab's relay, else localhost:4245)",
    default: "",
    group: "Server",
  },
  {
    name: "timeout",
    kind: "duration",
    help: "how long to try to reach the server",
    default: "5s",
    group: "Server",
  },
  {
    name: "request-timeout",
    kind: "duration",
    help: "how long to wait for an answer (status, list)",
    default: "12s",
    group: "Server",
  },
  {
    name: "tls",
    kind: "bool",
    help: "speak TLS; implied by an address that begins with tls://",
    default: "false",
    group: "Server",
  },
  {
    name: "tls-ca-cert-files",
    kind: "strings",
    help: "files with certificates (PEM) of the authorities to trust",
    default: "",
    group: "Server",
  },
  {
    name: "tls-client-cert-file",
    kind: "string",
    help: "file with the client's own certificate (PEM)",
    default: "",
    group: "Server",
  },
  {
    name: "tls-client-key-file",
    kind: "string",
    help: "file with the key of the client's certificate (PEM)",
    default: "",
    group: "Server",
  },
  {
    name: "tls-server-name",
    kind: "string",
    help: "the name to look for in the server's certificate: instance.hubble-relay.cilium.io",
    default: "",
    group: "Server",
  },
  {
    name: "allowlist",
    kind: "strings",
    help: "only flows that match one of these FlowFilters, as JSON",
    default: "",
    group: "Raw filters",
  },
  {
    name: "denylist",
    kind: "strings",
    help: "no flows that match one of these FlowFilters, as JSON",
    default: "",
    group: "Raw filters",
  },
  {
    name: "config",
    kind: "string",
    help: "the configuration file",
    default: "",
    group: "Global",
  },
  {
    name: "debug",
    kind: "bool",
    short: "D",
    help: "say more on stderr: what is asked of whom, nodes that come and go",
    default: "false",
    group: "Global",
  },
] as const satisfies readonly ConfigKey[];

export type ConfigName = (typeof configKeys)[number]["name"];

/** "tls-server-name" -> "HUBBLE_TLS_SERVER_NAME". */
export function variableOf(name: string): string {
  return `HUBBLE_${name.toUpperCase().replaceAll("-", "_")}`;
}

/** The key of this name; undefined if there is none. */
export function configKey(name: string): ConfigKey | undefined {
  return configKeys.find((key) => key.name === name);
}
