// core/v1 Service: what it looks like, and who fills it in, judges it and gives it addresses and ports.
import { sameJson } from "../objects/json.ts";
import { dns1035Label } from "../objects/names.ts";
import type { ApiObject } from "../objects/object.ts";
import { ageColumn, textColumn } from "../table/columns.ts";
import { AddressRange } from "./address-range.ts";
import { builtin } from "./builtin.ts";
import type { Kind } from "./kind.ts";
import {
  allocateNodePorts,
  defaultNodePortRange,
  nodePortClaims,
  type NodePortRange,
} from "./node-ports.ts";
import { addressClaims, allocateAddresses } from "./service-allocation.ts";
import { prepare } from "./service-defaults.ts";
import { serviceCauses } from "./service-rules.ts";
import { specOf, type Spec } from "./service-spec.ts";
import { prepareStatus, statusCauses, statusSchema } from "./service-status.ts";
import { port, protocol, shape, stringMap } from "./shape.ts";

const schema = shape.object({
  "spec!": shape.object({
    type: shape.oneOf(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"], {
      default: "ClusterIP",
    }),
    selector: stringMap,
    ports: shape.list(
      shape.object({
        name: shape.string(),
        protocol,
        "port!": port,
        targetPort: shape.intOrString,
        nodePort: shape.integer(0, 65535),
        appProtocol: shape.string(),
      }),
    ),
    clusterIP: shape.string(),
    clusterIPs: shape.list(shape.string(), { maxItems: 2 }),
    ipFamilies: shape.list(shape.oneOf(["IPv4", "IPv6"]), { maxItems: 2 }),
    ipFamilyPolicy: shape.oneOf(["SingleStack", "PreferDualStack", "RequireDualStack"]),
    externalIPs: shape.list(shape.string()),
    externalName: shape.string(),
    sessionAffinity: shape.oneOf(["None", "ClientIP"], { default: "None" }),
    sessionAffinityConfig: shape.object({
      clientIP: shape.object({ timeoutSeconds: shape.integer(1, 86400) }),
    }),
    externalTrafficPolicy: shape.oneOf(["Cluster", "Local"]),
    internalTrafficPolicy: shape.oneOf(["Cluster", "Local"]),
    loadBalancerIP: shape.string(),
    loadBalancerClass: shape.string(),
    loadBalancerSourceRanges: shape.list(shape.string()),
    publishNotReadyAddresses: shape.boolean(),
    allocateLoadBalancerNodePorts: shape.boolean(),
    healthCheckNodePort: shape.integer(0, 65535),
    trafficDistribution: shape.string(),
  }),
  status: statusSchema,
});

export type ServiceOptions = {
  /** Where cluster IPs come from ("10.96.0.0/16"); the first range's family is the default. */
  readonly serviceRanges: readonly string[];
  readonly nodePortRange?: NodePortRange | undefined;
};

export function services({
  serviceRanges,
  nodePortRange = defaultNodePortRange,
}: ServiceOptions): Kind {
  const pools = serviceRanges.map((range) => AddressRange.parse(range));
  return builtin({
    apiVersion: "v1",
    kind: "Service",
    plural: "services",
    shortNames: ["svc"],
    categories: ["all"],
    subresources: ["status"],
    nameRule: dns1035Label,
    schema,
    selectable: ["spec.clusterIP", "spec.clusterIPs", "spec.type"],
    columns: [
      textColumn("Type", (service) => specOf(service).type),
      textColumn("Cluster-IP", (service) => specOf(service).clusterIP),
      textColumn("External-IP", externalIp),
      textColumn("Port(s)", (service) => portsText(specOf(service))),
      ageColumn,
      textColumn("Selector", (service) => selectorText(specOf(service).selector), 1),
    ],
    strategy: {
      answersDeleted: true,
      prepare,
      validate: serviceCauses,
      claims: (service) => [...addressClaims(service), ...nodePortClaims(service)],
      allocate(service, _before, transaction) {
        allocateAddresses(service, pools, transaction);
        allocateNodePorts(service, nodePortRange, transaction);
      },
      prepareStatus,
      validateStatus: statusCauses,
    },
  });
}

function externalIp(service: ApiObject): string | undefined {
  const spec = specOf(service);
  if (spec.type === "ExternalName") return spec["externalName"] as string;
  const status = service["status"] as
    | { loadBalancer?: { ingress?: { ip?: string }[] } }
    | undefined;
  const addresses = [
    ...(status?.loadBalancer?.ingress ?? []).flatMap((entry) => entry.ip ?? []),
    ...((spec["externalIPs"] ?? []) as string[]),
  ];
  if (addresses.length > 0) return addresses.join(",");
  return spec.type === "LoadBalancer" ? "<pending>" : undefined;
}

function portsText(spec: Spec): string | undefined {
  const texts = (spec.ports ?? []).map(({ port: number, nodePort, protocol: name }) =>
    nodePort ? `${number}:${nodePort}/${name}` : `${number}/${name}`,
  );
  return texts.length > 0 ? texts.join(",") : undefined;
}

function selectorText(selector: Record<string, string> | undefined): string | undefined {
  if (!selector || sameJson(selector, {})) return undefined;
  return Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}
