// core/v1 Pod: schema, defaults, what may change, and graceful deletion.
import { field, type Cause } from "../errors.ts";
import { sameJson } from "../objects/json.ts";
import { dnsLabel } from "../objects/names.ts";
import type { ApiObject, Fields } from "../objects/object.ts";
import { ageColumn, textColumn } from "../table/columns.ts";
import { podRow } from "../table/pod-columns.ts";
import { builtin } from "./builtin.ts";
import { completePodSpec, defaultPodSpec, qosClass } from "./pod-defaults.ts";
import type { Kind } from "./kind.ts";
import { conditions, port, protocol, seconds, shape, stringMap } from "./shape.ts";

const action = {
  exec: shape.object({ command: shape.list(shape.string()) }),
  tcpSocket: shape.object({ "port!": shape.intOrString, host: shape.string() }),
  httpGet: shape.object({
    "port!": shape.intOrString,
    path: shape.string({ default: "/" }),
    host: shape.string(),
    scheme: shape.oneOf(["HTTP", "HTTPS"], { default: "HTTP" }),
    httpHeaders: shape.list(shape.object({ "name!": shape.string(), value: shape.string() })),
  }),
};

const probe = shape.object({
  ...action,
  initialDelaySeconds: seconds,
  periodSeconds: shape.integer(1, 2 ** 31 - 1, { default: 10 }),
  timeoutSeconds: shape.integer(1, 2 ** 31 - 1, { default: 1 }),
  successThreshold: shape.integer(1, 2 ** 31 - 1, { default: 1 }),
  failureThreshold: shape.integer(1, 2 ** 31 - 1, { default: 3 }),
});

const container = shape.object({
  "name!": shape.string({ minLength: 1 }),
  image: shape.string(),
  imagePullPolicy: shape.oneOf(["Always", "Never", "IfNotPresent"]),
  command: shape.list(shape.string()),
  args: shape.list(shape.string()),
  workingDir: shape.string(),
  env: shape.list(shape.object({ "name!": shape.string({ minLength: 1 }), value: shape.string() })),
  ports: shape.list(
    shape.object({
      name: shape.string(),
      "containerPort!": port,
      protocol,
      hostPort: shape.integer(0, 65535),
      hostIP: shape.string(),
    }),
  ),
  resources: shape.anyObject,
  livenessProbe: probe,
  readinessProbe: probe,
  startupProbe: probe,
  terminationMessagePath: shape.string({ default: "/dev/termination-log" }),
  terminationMessagePolicy: shape.string({ default: "File" }),
});

const podSpec = shape.object({
  "containers!": shape.list(container, { minItems: 1 }),
  initContainers: shape.list(container),
  nodeName: shape.string(),
  nodeSelector: stringMap,
  restartPolicy: shape.oneOf(["Always", "OnFailure", "Never"], { default: "Always" }),
  terminationGracePeriodSeconds: shape.integer(0, 2 ** 31 - 1, { default: 30 }),
  dnsPolicy: shape.oneOf(["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"], {
    default: "ClusterFirst",
  }),
  hostNetwork: shape.boolean(),
  hostname: shape.string(),
  subdomain: shape.string(),
  serviceAccountName: shape.string(),
  serviceAccount: shape.string(),
  schedulerName: shape.string({ default: "default-scheduler" }),
  securityContext: { ...shape.anyObject, default: {} },
  enableServiceLinks: shape.boolean(),
  tolerations: shape.list(shape.anyObject),
});

/** What Deployment, ReplicaSet and DaemonSet make pods from. */
export const podTemplate = shape.object({
  metadata: shape.object({ labels: stringMap, annotations: stringMap }),
  "spec!": podSpec,
});

type Port = { readonly name?: string; readonly containerPort: number; readonly hostPort?: number };
type Container = {
  readonly name: string;
  readonly image?: string;
  readonly ports?: readonly Port[];
};
type Spec = Fields & {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly nodeName?: string;
  readonly hostNetwork?: boolean;
};

const specOf = (object: ApiObject) => object["spec"] as Spec;
const statusOf = (object: ApiObject) => (object["status"] ?? {}) as Fields;

/** Faults of a pod's (or a template's) spec that a schema cannot tell. */
export function podSpecCauses(spec: Fields, path: string): Cause[] {
  const causes: Cause[] = [];
  const names = new Set<string>();
  for (const list of ["initContainers", "containers"]) {
    ((spec[list] ?? []) as Container[]).forEach((entry, index) => {
      const at = `${path}.${list}[${index}]`;
      const fault = dnsLabel(entry.name);
      if (fault) causes.push(field.invalid(`${at}.name`, entry.name, fault));
      if (names.has(entry.name)) causes.push(field.duplicate(`${at}.name`, entry.name));
      names.add(entry.name);
      if (!entry.image) causes.push(field.required(`${at}.image`));
      causes.push(...portCauses(entry, at));
    });
  }
  return causes;
}

function portCauses(entry: Container, at: string): Cause[] {
  const names = new Set<string>();
  return (entry.ports ?? []).flatMap((declared, index) => {
    if (declared.name === undefined || declared.name === "") return [];
    const path = `${at}.ports[${index}].name`;
    const valid =
      declared.name.length <= 15 && /^(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$/.test(declared.name);
    if (!valid)
      return [field.invalid(path, declared.name, "must be a port name of at most 15 characters")];
    if (names.has(declared.name)) return [field.duplicate(path, declared.name)];
    names.add(declared.name);
    return [];
  });
}

/** A pod's spec is fixed once made, but for images, the deadline, tolerations and the grace period. */
function changeCauses(object: ApiObject, before: ApiObject): Cause[] {
  const comparable = (pod: ApiObject): unknown => {
    const withoutImage = (entry: Container) => ({ ...entry, image: "" });
    const spec = specOf(pod);
    return {
      ...spec,
      containers: spec.containers.map(withoutImage),
      initContainers: spec.initContainers?.map(withoutImage),
      activeDeadlineSeconds: undefined,
      // Another name of serviceAccountName.
      serviceAccount: undefined,
      tolerations: undefined,
      terminationGracePeriodSeconds: undefined,
    };
  };
  return sameJson(comparable(object), comparable(before))
    ? []
    : [
        field.forbidden(
          "spec",
          "pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` or `spec.terminationGracePeriodSeconds`",
        ),
      ];
}

export const pods: Kind = builtin({
  apiVersion: "v1",
  kind: "Pod",
  plural: "pods",
  shortNames: ["po"],
  categories: ["all"],
  subresources: ["status", "binding", "eviction", "log", "exec", "attach", "portforward"],
  schema: shape.object({
    "spec!": podSpec,
    status: shape.object({
      phase: shape.oneOf(["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
      conditions,
    }),
  }),
  selectable: [
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
  ],
  columns: [
    textColumn("Ready", (pod) => podRow(pod).ready),
    textColumn("Status", (pod) => podRow(pod).status),
    textColumn("Restarts", (pod) => podRow(pod).restarts),
    ageColumn,
    textColumn("IP", (pod) => statusOf(pod)["podIP"], 1),
    textColumn("Node", (pod) => specOf(pod).nodeName, 1),
    textColumn("Nominated Node", (pod) => statusOf(pod)["nominatedNodeName"], 1),
    textColumn("Readiness Gates", () => undefined, 1),
  ],
  strategy: {
    prepare(pod, before) {
      const spec = pod["spec"] as Fields;
      defaultPodSpec(spec);
      completePodSpec(spec);
      if (before) return;
      pod["status"] = { phase: "Pending", qosClass: qosClass(spec) };
      if (specOf(pod).hostNetwork) {
        for (const entry of specOf(pod).containers) {
          for (const declared of entry.ports ?? [])
            Object.assign(declared, { hostPort: declared.containerPort });
        }
      }
    },
    validate(pod, before) {
      const causes = podSpecCauses(specOf(pod), "spec");
      return before ? [...causes, ...changeCauses(pod, before)] : causes;
    },
    answersDeleted: true,
    gracePeriodSeconds(pod, asked) {
      // Nobody would end a pod that no kubelet runs.
      const phase = statusOf(pod)["phase"];
      if (!specOf(pod).nodeName || phase === "Succeeded" || phase === "Failed") return 0;
      return asked ?? Number(specOf(pod)["terminationGracePeriodSeconds"] ?? 30);
    },
  },
});
