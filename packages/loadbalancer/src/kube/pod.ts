// Pods, as far as services are about them: host ports, and backends of local redirects.
import { Address } from "@tsilium/net";
import type { ServiceProtocol, ServiceWarning } from "../model.ts";
import { addressProblem } from "./address.ts";
import { Field } from "./field.ts";
import { type ObjectHead, parseHead } from "./metadata.ts";
import { parseProtocol } from "./protocol.ts";

export type PodPort = {
  readonly name: string;
  readonly port: number;
  readonly protocol: ServiceProtocol;
  readonly hostPort: number | undefined;
  /** "": none is named. */
  readonly hostIp: string;
  readonly path: string;
};

export type ParsedPod = {
  readonly head: ObjectHead;
  readonly nodeName: string;
  readonly hostNetwork: boolean;
  /** All its containers have ended for good. */
  readonly isFinished: boolean;
  readonly isReady: boolean;
  readonly addresses: readonly Address[];
  readonly ports: readonly PodPort[];
  readonly warnings: readonly ServiceWarning[];
};

const parsed = new WeakMap<object, ParsedPod>();

/** undefined of what has no name. Parsed once per object. */
export function parsePod(pod: unknown): ParsedPod | undefined {
  if (typeof pod !== "object" || pod === null) return undefined;
  const known = parsed.get(pod);
  if (known) return known;
  const warnings: ServiceWarning[] = [];
  const head = parseHead(pod, warnings);
  if (!head) return undefined;
  const found = parseParts(head, new Field(pod, warnings), warnings);
  parsed.set(pod, found);
  return found;
}

function parseParts(head: ObjectHead, pod: Field, warnings: ServiceWarning[]): ParsedPod {
  const spec = pod.at("spec");
  const status = pod.at("status");
  const phase = status.at("phase").value;
  return {
    head,
    nodeName: spec.at("nodeName").text() ?? "",
    hostNetwork: spec.at("hostNetwork").value === true,
    isFinished: phase === "Succeeded" || phase === "Failed",
    isReady: status
      .at("conditions")
      .items()
      .some((item) => item.at("type").value === "Ready" && item.at("status").value === "True"),
    addresses: parseAddresses(status),
    ports: ["initContainers", "containers"].flatMap((list) =>
      spec.at(list).items().flatMap(parsePorts),
    ),
    warnings,
  };
}

function parseAddresses(status: Field): Address[] {
  const list = status.at("podIPs").items();
  const fields = list.length > 0 ? list.map((item) => item.at("ip")) : [status.at("podIP")];
  return fields.flatMap((field) => {
    const address = Address.tryParse(field.text() ?? "");
    return address && addressProblem(address) === undefined ? address : [];
  });
}

function parsePorts(container: Field): PodPort[] {
  return container
    .at("ports")
    .items()
    .flatMap((item) => {
      const port = item.at("containerPort").integer(1, 65535);
      const protocol = parseProtocol(item.at("protocol").value);
      if (port === undefined || protocol === undefined) return [];
      return {
        name: item.at("name").text() ?? "",
        port,
        protocol,
        hostPort: item.at("hostPort").integer(0, 65535) || undefined,
        hostIp: item.at("hostIP").text() ?? "",
        path: item.path,
      };
    });
}
