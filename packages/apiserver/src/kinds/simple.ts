// The kinds with few rules of their own: Node, ConfigMap, Secret, ServiceAccount, Event, Lease.
import { field, type Cause } from "../errors.ts";
import { isRecord, sameJson } from "../objects/json.ts";
import type { ApiObject, Fields } from "../objects/object.ts";
import { ageColumn, countColumn, textColumn } from "../table/columns.ts";
import { eventColumns } from "../table/event-columns.ts";
import { builtin } from "./builtin.ts";
import type { Kind } from "./kind.ts";
import { secretCauses } from "./secret-types.ts";
import { conditions, shape, stringMap } from "./shape.ts";

const base64Map = shape.map(shape.string({ format: "byte" }));

function recordAt(object: ApiObject, name: string): Fields {
  return isRecord(object[name]) ? object[name] : {};
}

/** `immutable: true` freezes the data of ConfigMaps and Secrets, and itself. */
function immutableCauses(object: ApiObject, before: ApiObject | undefined): Cause[] {
  if (before?.["immutable"] !== true) return [];
  return ["immutable", "data", "binaryData"]
    .filter((name) => !sameJson(object[name], before[name]))
    .map((name) => field.forbidden(name, "field is immutable when `immutable` is set"));
}

function keyCauses(object: ApiObject): Cause[] {
  return ["data", "binaryData"].flatMap((name) =>
    Object.keys(recordAt(object, name))
      .filter((key) => !/^[-._a-zA-Z0-9]{1,253}$/.test(key) || key === "." || key === "..")
      .map((key) =>
        field.invalid(
          `${name}[${key}]`,
          key,
          "must consist of alphanumeric characters, '-', '_' or '.'",
        ),
      ),
  );
}

const nodes: Kind = builtin({
  apiVersion: "v1",
  kind: "Node",
  plural: "nodes",
  shortNames: ["no"],
  clusterWide: true,
  subresources: ["status"],
  schema: shape.object({
    spec: shape.object(
      {
        podCIDR: shape.string({ format: "cidr" }),
        podCIDRs: shape.list(shape.string({ format: "cidr" })),
        unschedulable: shape.boolean(),
        taints: shape.list(
          shape.object({
            "key!": shape.string({ minLength: 1 }),
            value: shape.string(),
            "effect!": shape.oneOf(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
          }),
        ),
      },
      { default: {} },
    ),
    status: shape.object({
      conditions,
      addresses: shape.list(shape.object({ "type!": shape.string(), "address!": shape.string() })),
    }),
  }),
  selectable: ["spec.unschedulable"],
  columns: [
    textColumn("Status", nodeStatus),
    textColumn("Roles", nodeRoles),
    ageColumn,
    textColumn("Version", (node) => nodeInfo(node, "kubeletVersion")),
    textColumn("Internal-IP", (node) => nodeAddress(node, "InternalIP"), 1),
    textColumn("External-IP", (node) => nodeAddress(node, "ExternalIP"), 1),
    textColumn("OS-Image", (node) => nodeInfo(node, "osImage"), 1),
    textColumn("Kernel-Version", (node) => nodeInfo(node, "kernelVersion"), 1),
    textColumn("Container-Runtime", (node) => nodeInfo(node, "containerRuntimeVersion"), 1),
  ],
  strategy: { createdWithStatus: true },
});

function nodeStatus(node: ApiObject): string {
  const list = recordAt(node, "status")["conditions"];
  const ready = Array.isArray(list)
    ? list.find((entry: Fields) => entry["type"] === "Ready")
    : undefined;
  const word = ready === undefined ? "Unknown" : ready["status"] === "True" ? "Ready" : "NotReady";
  return recordAt(node, "spec")["unschedulable"] === true ? `${word},SchedulingDisabled` : word;
}

function nodeInfo(node: ApiObject, name: string): unknown {
  const info = recordAt(node, "status")["nodeInfo"];
  return isRecord(info) ? info[name] : undefined;
}

/** Labels "node-role.kubernetes.io/ROLE", and the value of "kubernetes.io/role". */
function nodeRoles(node: ApiObject): string | undefined {
  const prefix = "node-role.kubernetes.io/";
  const roles = Object.entries(node.metadata.labels ?? {}).flatMap(([label, value]) => {
    if (label.startsWith(prefix)) return label.slice(prefix.length);
    return label === "kubernetes.io/role" ? value : [];
  });
  return [...new Set(roles)].filter(Boolean).toSorted().join(",") || undefined;
}

function nodeAddress(node: ApiObject, type: string): unknown {
  const addresses = recordAt(node, "status")["addresses"];
  if (!Array.isArray(addresses)) return undefined;
  return addresses.find((entry: Fields) => entry["type"] === type)?.["address"];
}

const configMaps: Kind = builtin({
  apiVersion: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
  shortNames: ["cm"],
  schema: shape.object({ data: stringMap, binaryData: base64Map, immutable: shape.boolean() }),
  columns: [
    countColumn(
      "Data",
      (object) =>
        Object.keys({ ...recordAt(object, "data"), ...recordAt(object, "binaryData") }).length,
    ),
    ageColumn,
  ],
  strategy: {
    validate: (object, before) => [...keyCauses(object), ...immutableCauses(object, before)],
  },
});

const secrets: Kind = builtin({
  apiVersion: "v1",
  kind: "Secret",
  plural: "secrets",
  schema: shape.object({
    type: shape.string({ default: "Opaque" }),
    data: base64Map,
    stringData: stringMap,
    immutable: shape.boolean(),
  }),
  selectable: ["type"],
  columns: [
    textColumn("Type", (object) => object["type"]),
    countColumn("Data", (object) => Object.keys(recordAt(object, "data")).length),
    ageColumn,
  ],
  strategy: {
    prepare(object) {
      const plain = recordAt(object, "stringData");
      delete object["stringData"];
      if (Object.keys(plain).length === 0) return;
      const encoded = Object.entries(plain).map(([key, value]) => [
        key,
        Buffer.from(String(value)).toString("base64"),
      ]);
      object["data"] = { ...recordAt(object, "data"), ...Object.fromEntries(encoded) };
    },
    validate(object, before) {
      const causes = [
        ...keyCauses(object),
        ...secretCauses(object),
        ...immutableCauses(object, before),
      ];
      if (before && before["type"] !== object["type"]) {
        causes.push(field.invalid("type", object["type"], "field is immutable"));
      }
      return causes;
    },
  },
});

const serviceAccounts: Kind = builtin({
  apiVersion: "v1",
  kind: "ServiceAccount",
  plural: "serviceaccounts",
  shortNames: ["sa"],
  schema: shape.object({ automountServiceAccountToken: shape.boolean() }),
  columns: [
    countColumn("Secrets", (object) =>
      Array.isArray(object["secrets"]) ? object["secrets"].length : 0,
    ),
    ageColumn,
  ],
  strategy: { answersDeleted: true },
});

const events: Kind = builtin({
  apiVersion: "v1",
  kind: "Event",
  plural: "events",
  shortNames: ["ev"],
  schema: shape.object({
    "involvedObject!": shape.object({
      kind: shape.string(),
      namespace: shape.string(),
      name: shape.string(),
      uid: shape.string(),
    }),
    reason: shape.string(),
    message: shape.string({ maxLength: 1024 }),
    type: shape.oneOf(["", "Normal", "Warning"]),
    count: shape.integer(0, 2 ** 31 - 1),
    firstTimestamp: shape.string({ format: "date-time" }),
    lastTimestamp: shape.string({ format: "date-time" }),
  }),
  selectable: [
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "reason",
    "type",
  ],
  nameInColumns: true,
  columns: eventColumns,
});

const leases: Kind = builtin({
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  plural: "leases",
  schema: shape.object({
    spec: shape.object({
      holderIdentity: shape.string(),
      leaseDurationSeconds: shape.integer(1, 2 ** 31 - 1),
      acquireTime: shape.string({ format: "date-time" }),
      renewTime: shape.string({ format: "date-time" }),
      leaseTransitions: shape.integer(0, 2 ** 31 - 1),
    }),
  }),
  columns: [textColumn("Holder", (lease) => recordAt(lease, "spec")["holderIdentity"]), ageColumn],
});

export const simpleKinds: readonly Kind[] = [
  nodes,
  configMaps,
  secrets,
  serviceAccounts,
  events,
  leases,
];
