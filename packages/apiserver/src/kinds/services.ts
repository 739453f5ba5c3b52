// core/v1 Service: schema, rules, and the allocation of cluster IPs and node ports at creation.
import { isIP } from "node:net";
import { field, invalid, type Cause } from "../errors.ts";
import { sameJson } from "../objects/json.ts";
import { dns1035Label } from "../objects/names.ts";
import type { ApiObject, Fields } from "../objects/object.ts";
import type { Transaction } from "../store/store.ts";
import { ageColumn, textColumn } from "../table/columns.ts";
import { AddressRange } from "./address-range.ts";
import { builtin } from "./builtin.ts";
import type { Kind } from "./kind.ts";
import { port, protocol, shape, stringMap } from "./shape.ts";

type Family = "IPv4" | "IPv6";
type ServicePort = {
  name?: string;
  protocol: string;
  port: number;
  targetPort?: number | string;
  nodePort?: number;
};
type Spec = Fields & {
  type: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  ports?: ServicePort[];
  selector?: Record<string, string>;
  clusterIP?: string;
  clusterIPs?: string[];
  ipFamilies?: Family[];
  ipFamilyPolicy?: "SingleStack" | "PreferDualStack" | "RequireDualStack";
  externalTrafficPolicy?: string;
  allocateLoadBalancerNodePorts?: boolean;
  healthCheckNodePort?: number;
};

const nodePorts = { first: 30000, last: 32767 };
const subject = { group: "", plural: "services", kind: "Service" };
const specOf = (service: ApiObject) => service["spec"] as Spec;

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

function allocateAddresses(
  service: ApiObject,
  pools: readonly AddressRange[],
  transaction: Transaction,
): void {
  const spec = specOf(service);
  if (spec.type === "ExternalName") return;
  const families = wantedFamilies(service, pools);
  spec.ipFamilies = families;
  if (spec.clusterIP === "None") {
    spec.clusterIPs = ["None"];
    return;
  }
  const used = addressesInUse(service, transaction);
  const given = spec.clusterIPs ?? [];
  spec.clusterIPs = families.map((family, index) => {
    const pool = pools.find((candidate) => candidate.family === family) as AddressRange;
    const wanted = given[index];
    const at = `spec.clusterIPs[${index}]`;
    if (wanted === undefined || wanted === "") {
      const free = pool.pick(used);
      if (free !== undefined) return free;
      throw invalid(subject, service.metadata.name ?? "", [
        field.invalid(at, "", `range ${pool.text} is full`),
      ]);
    }
    const fault = pool.contains(wanted)
      ? used.has(pool.canonical(wanted)) && "provided IP is already allocated"
      : `failed to allocate IP ${wanted}: the provided IP is not in the valid range ${pool.text}`;
    if (fault)
      throw invalid(subject, service.metadata.name ?? "", [field.invalid(at, wanted, fault)]);
    return pool.canonical(wanted);
  });
  spec.clusterIP = spec.clusterIPs[0] ?? "";
}

/** The families a service gets, by its policy, the families and addresses it names, and what the cluster has. */
function wantedFamilies(service: ApiObject, pools: readonly AddressRange[]): Family[] {
  const spec = specOf(service);
  const available = pools.map((pool) => pool.family);
  const refuse = (cause: Cause) => invalid(subject, service.metadata.name ?? "", [cause]);
  const named = [...(spec.ipFamilies ?? [])];
  (spec.clusterIPs ?? []).forEach((address, index) => {
    if (address !== "None" && address !== "")
      named[index] ??= isIP(address) === 6 ? "IPv6" : "IPv4";
  });
  for (const family of named) {
    if (!available.includes(family))
      throw refuse(field.notSupported("spec.ipFamilies", family, available));
  }
  if (new Set(named).size !== named.length)
    throw refuse(field.duplicate("spec.ipFamilies[1]", named[1]));
  spec.ipFamilyPolicy ??= named.length > 1 ? "RequireDualStack" : "SingleStack";
  const first = named[0] ?? (available[0] as Family);
  if (spec.ipFamilyPolicy === "SingleStack") {
    if (named.length > 1) {
      throw refuse(
        field.invalid("spec.ipFamilyPolicy", "SingleStack", "must be dual stack for two families"),
      );
    }
    return [first];
  }
  const second = available.find((family) => family !== first);
  if (second === undefined && spec.ipFamilyPolicy === "RequireDualStack") {
    throw refuse(
      field.invalid(
        "spec.ipFamilyPolicy",
        "RequireDualStack",
        "this cluster is not configured for dual-stack services",
      ),
    );
  }
  return second === undefined ? [first] : [first, second];
}

function addressesInUse(service: ApiObject, transaction: Transaction): Set<string> {
  const used = new Set<string>();
  for (const other of transaction.list("/services")) {
    if (other.namespace === service.metadata.namespace && other.name === service.metadata.name)
      continue;
    for (const address of (other.fields["spec.clusterIPs"] ?? "").split(",")) used.add(address);
  }
  return used;
}

function allocateNodePorts(
  service: ApiObject,
  before: ApiObject | undefined,
  transaction: Transaction,
): void {
  const spec = specOf(service);
  const wanted =
    spec.type === "NodePort" ||
    (spec.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false);
  if (!wanted) {
    if (before) for (const entry of spec.ports ?? []) delete entry.nodePort;
    delete spec.healthCheckNodePort;
    return;
  }
  const used = nodePortsInUse(service, transaction);
  const take = (asked: number | undefined, key: string, at: string): number => {
    const chosen = asked || freePort(used, key);
    const outside = chosen === undefined || chosen < nodePorts.first || chosen > nodePorts.last;
    const fault = outside
      ? `not in the valid range ${nodePorts.first}-${nodePorts.last}, or none is free`
      : used.has(`${key}/${chosen}`) && "provided port is already allocated";
    if (fault)
      throw invalid(subject, service.metadata.name ?? "", [field.invalid(at, asked ?? 0, fault)]);
    used.add(`${key}/${chosen}`);
    return chosen as number;
  };
  spec.ports?.forEach((entry, index) => {
    entry.nodePort = take(entry.nodePort, entry.protocol, `spec.ports[${index}].nodePort`);
  });
  if (spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local") {
    spec.healthCheckNodePort = take(spec.healthCheckNodePort, "TCP", "spec.healthCheckNodePort");
  }
}

function nodePortsInUse(service: ApiObject, transaction: Transaction): Set<string> {
  const used = new Set<string>();
  for (const other of transaction.list("/services")) {
    if (other.namespace === service.metadata.namespace && other.name === service.metadata.name)
      continue;
    if (other.fields["spec.type"] === "ClusterIP") continue;
    const spec = specOf(JSON.parse(other.json) as ApiObject);
    for (const entry of spec.ports ?? [])
      if (entry.nodePort) used.add(`${entry.protocol}/${entry.nodePort}`);
    if (spec.healthCheckNodePort) used.add(`TCP/${spec.healthCheckNodePort}`);
  }
  return used;
}

function freePort(used: ReadonlySet<string>, key: string): number | undefined {
  const count = nodePorts.last - nodePorts.first + 1;
  const start = Math.floor(Math.random() * count);
  for (let step = 0; step < count; step++) {
    const candidate = nodePorts.first + ((start + step) % count);
    if (!used.has(`${key}/${candidate}`)) return candidate;
  }
  return undefined;
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
