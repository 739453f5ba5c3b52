// Where a flow is from and to: pods, services, DNS names or addresses, with ports and identities.
import type { Flow, FlowEndpoint, FlowService } from "@tsilium/hubble/model.ts";
import { printable } from "../../../cli/src/output.ts";
import { identityName } from "../../../cli/src/reserved.ts";
import type { Colours } from "./colour.ts";

export type End = { readonly host: string; readonly identity: string };

/** Reads both ends of flows. @param names whether to name pods, services and DNS names in place of addresses. */
export function endsReader(
  names: boolean,
  colours: Colours,
): (flow: Flow) => readonly [source: End, destination: End] {
  const podNames = new WeakMap<FlowEndpoint, string>();
  const identities = new Map<number, string>();

  function podName(endpoint: FlowEndpoint): string {
    let name = podNames.get(endpoint);
    if (name === undefined) {
      name = endpoint.podName === "" ? "" : printable(path(endpoint.namespace, endpoint.podName));
      podNames.set(endpoint, name);
    }
    return name;
  }

  function hostName(
    address: string,
    endpoint: FlowEndpoint,
    service: FlowService | undefined,
    dnsNames: readonly string[],
  ): string {
    if (!names) return printable(address);
    const pod = podName(endpoint);
    if (pod !== "") return pod;
    if (service && service.name !== "") return printable(path(service.namespace, service.name));
    return printable(dnsNames.length > 0 ? dnsNames.join(",") : address);
  }

  function withPort(host: string, port: number): string {
    if (port === 0) return colours.host(host);
    return colours.host(`${host.includes(":") ? `[${host}]` : host}:${colours.port(String(port))}`);
  }

  function identity(number: number): string {
    let text = identities.get(number);
    if (text === undefined) {
      const name = identityName(number);
      text = colours.identity(name === String(number) ? `(ID:${number})` : `(${name})`);
      // A bound for servers that make numbers up.
      if (identities.size > 65_536) identities.clear();
      identities.set(number, text);
    }
    return text;
  }

  return (flow) => {
    const source = identity(flow.source.identity);
    const destination = identity(flow.destination.identity);
    if (!flow.ip) {
      const { ethernet } = flow;
      return [
        { host: colours.host(printable(ethernet?.source ?? "")), identity: source },
        { host: colours.host(printable(ethernet?.destination ?? "")), identity: destination },
      ];
    }
    const { l4 } = flow;
    const ported = l4 && "sourcePort" in l4 ? l4 : undefined;
    const from = hostName(flow.ip.source, flow.source, flow.sourceService, flow.sourceNames);
    const to = hostName(
      flow.ip.destination,
      flow.destination,
      flow.destinationService,
      flow.destinationNames,
    );
    return [
      { host: withPort(from, ported?.sourcePort ?? 0), identity: source },
      { host: withPort(to, ported?.destinationPort ?? 0), identity: destination },
    ];
  };
}

function path(namespace: string, name: string): string {
  return namespace === "" ? name : `${namespace}/${name}`;
}
