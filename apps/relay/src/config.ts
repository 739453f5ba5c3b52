// Relay's configuration: the keys of Cilium's hubble-relay. Flags, then environment, then a folder with one file per
// key, then defaults. Keys that are lists may be given several times on the command line.
import { parseServerAddress } from "@tsilium/hubble/grpc/index.ts";
import {
  choice,
  duration,
  flag,
  type Key,
  type Keys,
  loadKeys,
  parseListenAddress,
  text,
  type ValuesOf,
  wholeNumber,
  words,
} from "@tsilium/runtime/config.ts";

export const keys = {
  "cluster-name": text("default", "name of the cluster, part of names in certificates"),
  "listen-address": several(
    ":4245",
    "where clients connect: host:port, unix:///path (mode 0600), or both",
  ),
  "peer-service": several(
    "unix:///var/run/tsilium/hubble.sock",
    "servers that tell of the nodes, tried one after the other: unix:///path or host:port",
  ),
  "dial-timeout": duration(
    5_000,
    "time for a connection to a node, and for its answer to a question",
  ),
  "retry-timeout": duration(30_000, "longest wait between two attempts to reach a node"),
  "sort-buffer-len-max": wholeNumber(
    10_000,
    [1, 1_000_000],
    "flows that wait to be sorted, for one client",
  ),
  "sort-buffer-drain-timeout": duration(1_000, "how long a node that says nothing holds up others"),
  "disable-client-tls": flag(false, "speak plain text to the nodes"),
  "disable-server-tls": flag(false, "speak plain text to clients that come over TCP"),
  "tls-hubble-client-cert-file": text("", "certificate that relay shows to nodes"),
  "tls-hubble-client-key-file": text("", "its key"),
  "tls-hubble-server-ca-files": words("authorities of the nodes' certificates"),
  "tls-relay-server-cert-file": text("", "certificate that relay shows to clients"),
  "tls-relay-server-key-file": text("", "its key"),
  "tls-relay-client-ca-files": words("authorities of clients' certificates, which are required"),
  "metrics-listen-address": text("", "address of Prometheus metrics; empty: none"),
  "health-listen-address": text("127.0.0.1:4222", "address of /healthz; empty: none"),
  "log-level": choice(
    "info",
    ["trace", "debug", "info", "warn", "error", "fatal"],
    "least level logged",
  ),
} satisfies Keys;

/** A unix socket's address, with its path. */
export const unixPath = /^unix:(?:\/\/)?(\/.+)$/;

export type RelayConfig = ValuesOf<typeof keys>;

/** @param args the command line after the program's name. @throws ConfigError */
export function loadConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): RelayConfig {
  const { values } = loadKeys(keys, {
    args: joinLists(args),
    environment,
    shared: true,
    contradictions,
  });
  return values;
}

/** Words; without any the usual one counts, since relay without is none. */
function several(usual: string, help: string): Key<readonly string[]> {
  const listed = words(help);
  const fallback = [usual];
  const parse = (written: string) => {
    const found = listed.parse(written);
    return found.length > 0 ? found : fallback;
  };
  return { ...listed, fallback, parse };
}

/** Of equal flags the last would count: those that are lists become one. */
function joinLists(args: readonly string[]): string[] {
  const joined: string[] = [];
  const lists = new Map<string, string[]>();
  for (let at = 0; at < args.length; at++) {
    const written = args[at] as string;
    const [, name = "", inline] = /^--([^=]+)(?:=(.*))?$/s.exec(written) ?? [];
    if (!Object.hasOwn(keys, name) || !keys[name as keyof typeof keys].kind.startsWith("list")) {
      joined.push(written);
      continue;
    }
    const value = inline ?? args[++at];
    if (value === undefined) joined.push(written);
    else lists.set(name, [...(lists.get(name) ?? []), value]);
  }
  return [...joined, ...[...lists].map(([name, values]) => `--${name}=${values.join(",")}`)];
}

/** Settings that are fine one by one and senseless together. */
function contradictions(config: RelayConfig): string[] {
  const tcp = (addresses: readonly string[]) => addresses.some((each) => !each.startsWith("unix:"));
  const missing = (names: readonly (keyof typeof keys)[]) =>
    names.filter((name) => config[name].toString() === "").map((name) => `${name} is missing`);
  return [
    ...badAddresses(config),
    ...(config["disable-client-tls"]
      ? []
      : missing([
          "tls-hubble-client-cert-file",
          "tls-hubble-client-key-file",
          "tls-hubble-server-ca-files",
        ]).map((each) => `${each} (or disable-client-tls)`)),
    ...(config["disable-server-tls"] || !tcp(config["listen-address"])
      ? []
      : missing([
          "tls-relay-server-cert-file",
          "tls-relay-server-key-file",
          "tls-relay-client-ca-files",
        ]).map((each) => `${each} (or disable-server-tls)`)),
  ];
}

/** A sentence for each address that is none. */
function badAddresses(config: RelayConfig): string[] {
  const faults = (key: keyof RelayConfig, wanted: string, parse: (text: string) => unknown) =>
    [config[key]].flat().flatMap((address) => {
      try {
        if (address !== "") parse(String(address));
        return [];
      } catch {
        return [`${key}: wanted ${wanted}, got "${address}"`];
      }
    });
  const listen = (text: string) => unixPath.test(text) || parseListenAddress(text);
  return [
    ...faults("listen-address", "host:port or unix:///path", listen),
    ...faults("peer-service", "unix:///path or host:port", parseServerAddress),
    ...faults("metrics-listen-address", "host:port", parseListenAddress),
    ...faults("health-listen-address", "host:port", parseListenAddress),
  ];
}
