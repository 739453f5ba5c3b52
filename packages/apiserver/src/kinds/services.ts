// core/v1 Service: schema, rules, and the allocation of cluster IPs and node ports at creation.
import { isIP } from "node:net";
import { field, type Cause } from "../errors.ts";
import { sameJson } from "../objects/json.ts";
import { dns1035Label } from "../objects/names.ts";
import type { ApiObject } from "../objects/object.ts";
import { ageColumn, textColumn } from "../table/columns.ts";
import { AddressRange } from "./address-range.ts";
import { builtin } from "./builtin.ts";
import type { Kind } from "./kind.ts";
import { allocateAddresses, allocateNodePorts, specOf, type Spec } from "./service-allocation.ts";
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
    externalIPs: shape.list(shape.string({ format: "ip" })),
    externalName: shape.string(),
    sessionAffinity: shape.oneOf(["None", "ClientIP"], { default: "None" }),
    sessionAffinityConfig: shape.object({
      clientIP: shape.object({ timeoutSeconds: shape.integer(1, 86400) }),
    }),
    externalTrafficPolicy: shape.oneOf(["Cluster", "Local"]),
    internalTrafficPolicy: shape.oneOf(["Cluster", "Local"], { default: "Cluster" }),
    loadBalancerIP: shape.string(),
    loadBalancerSourceRanges: shape.list(shape.string({ format: "cidr" })),
    publishNotReadyAddresses: shape.boolean(),
    allocateLoadBalancerNodePorts: shape.boolean(),
    healthCheckNodePort: shape.integer(0, 65535),
  }),
  status: shape.anyObject,
});

/** Services whose cluster IPs come from these ranges ("10.96.0.0/16"), the first range's family being the default. */
export function services(ranges: readonly string[]): Kind {
  const pools = ranges.map((range) => AddressRange.parse(range));
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
      prepare,
      validate: (service, before) => [
        ...validate(service),
        ...(before ? changeCauses(service, before) : []),
      ],
      allocate(service, before, transaction) {
        allocateAddresses(service, pools, transaction);
        allocateNodePorts(service, before, transaction);
      },
    },
  });
}

/** Defaults that depend on other fields; on a change, what was allocated is kept unless named anew. */
function prepare(service: ApiObject, before: ApiObject | undefined): void {
  const spec = specOf(service);
  for (const entry of spec.ports ?? []) {
    entry.targetPort ??= entry.port;
    if (entry.targetPort === 0 || entry.targetPort === "") entry.targetPort = entry.port;
  }
  if (spec["sessionAffinity"] === "ClientIP") {
    spec["sessionAffinityConfig"] ??= { clientIP: { timeoutSeconds: 10800 } };
  }
  const external = spec.type === "NodePort" || spec.type === "LoadBalancer";
  if (external) spec.externalTrafficPolicy ??= "Cluster";
  if (spec.type === "LoadBalancer") spec.allocateLoadBalancerNodePorts ??= true;
  if (!before) service["status"] = { loadBalancer: {} };
  if (spec.type === "ExternalName") {
    for (const name of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"])
      delete spec[name];
    return;
  }
  const old = before && specOf(before).type !== "ExternalName" ? specOf(before) : undefined;
  if (old) {
    spec.clusterIP ||= old.clusterIP ?? "";
    if (!spec.clusterIPs?.length) spec.clusterIPs = old.clusterIPs ?? [];
    if (!spec.ipFamilies?.length) spec.ipFamilies = old.ipFamilies ?? [];
    spec.ipFamilyPolicy ??= old.ipFamilyPolicy ?? "SingleStack";
    if (external) keepNodePorts(spec, old);
  }
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
  if (!spec.clusterIP && spec.clusterIPs?.[0]) spec.clusterIP = spec.clusterIPs[0];
}

function keepNodePorts(spec: Spec, old: Spec): void {
  for (const entry of spec.ports ?? []) {
    const same = old.ports?.find(
      (other) => other.port === entry.port && other.protocol === entry.protocol,
    );
    if (!entry.nodePort && same?.nodePort) entry.nodePort = same.nodePort;
  }
  if (old.healthCheckNodePort) spec.healthCheckNodePort ||= old.healthCheckNodePort;
}

function validate(service: ApiObject): Cause[] {
  const spec = specOf(service);
  const causes: Cause[] = [];
  const headless = spec.clusterIP === "None";
  if (spec.type === "ExternalName") {
    return spec["externalName"] ? [] : [field.required("spec.externalName")];
  }
  if (!spec.ports?.length && !headless) causes.push(field.required("spec.ports"));
  const seen = new Set<string>();
  spec.ports?.forEach((entry, index) => {
    const at = `spec.ports[${index}]`;
    const key = `${entry.protocol}/${entry.port}`;
    if (seen.has(key))
      causes.push(field.duplicate(at, { port: entry.port, protocol: entry.protocol }));
    seen.add(key);
    if (spec.ports && spec.ports.length > 1 && !entry.name)
      causes.push(field.required(`${at}.name`));
    if (
      typeof entry.targetPort === "number" &&
      (entry.targetPort < 1 || entry.targetPort > 65535)
    ) {
      causes.push(
        field.invalid(
          `${at}.targetPort`,
          entry.targetPort,
          "must be between 1 and 65535, inclusive",
        ),
      );
    }
    if (entry.nodePort && spec.type === "ClusterIP") {
      causes.push(field.forbidden(`${at}.nodePort`, "may not be used when `type` is 'ClusterIP'"));
    }
  });
  if (headless && spec.type !== "ClusterIP") {
    causes.push(
      field.invalid("spec.clusterIPs[0]", "None", "may not be set to 'None' for this type"),
    );
  }
  if (spec.clusterIPs?.length && spec.clusterIP !== spec.clusterIPs[0]) {
    causes.push(
      field.invalid("spec.clusterIPs", spec.clusterIPs, "first value must match `clusterIP`"),
    );
  }
  spec.clusterIPs?.forEach((address, index) => {
    if (address !== "None" && isIP(address) === 0) {
      causes.push(
        field.invalid(`spec.clusterIPs[${index}]`, address, "must be a valid IP address"),
      );
    }
  });
  return causes;
}

function changeCauses(service: ApiObject, before: ApiObject): Cause[] {
  const [now, old] = [specOf(service), specOf(before)];
  if (now.type === "ExternalName" || old.type === "ExternalName") return [];
  return now.clusterIP === old.clusterIP
    ? []
    : [field.invalid("spec.clusterIP", now.clusterIP, "field is immutable")];
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
