// Services as the agent tells of them, in lines as cilium-dbg prints them. Pure.
import type { ServiceView } from "../api.ts";

export type ServiceLine = {
  readonly id: string;
  readonly frontend: string;
  readonly type: string;
  readonly backend: string;
  readonly name: string;
};

/**
 * One line for each backend, the frontend's own words on the first. Where clients from outside have other backends than
 * those of the cluster, the latter follow under "/i", the internal scope.
 */
export function serviceLines(service: ServiceView): ServiceLine[] {
  const { backends, externalBackends } = service;
  if (externalBackends === undefined) return scopeLines(service, "", backends);
  return [...scopeLines(service, "", externalBackends), ...scopeLines(service, "/i", backends)];
}

type Backends = ServiceView["backends"];

function scopeLines(service: ServiceView, scope: string, backends: Backends): ServiceLine[] {
  const { id, frontend, type, namespace, name, portName } = service;
  const first = {
    id: String(id),
    frontend: `${endText(frontend)}${scope}`,
    type,
    name: `${namespace}/${name}${portName ? `:${portName}` : ""}`,
  };
  const nothing = { id: "", frontend: "", type: "", name: "" };
  if (backends.length === 0) return [{ ...first, backend: "" }];
  return backends.map((backend, at) => ({
    ...(at === 0 ? first : nothing),
    backend: `${backend.id} => ${endText(backend)} (${backend.state})`,
  }));
}

/** "10.96.0.1:443/TCP" */
export function endText(end: {
  readonly address: string;
  readonly port: number;
  readonly protocol: string;
}) {
  const address = end.address.includes(":") ? `[${end.address}]` : end.address;
  return `${address}:${end.port}/${end.protocol}`;
}

/** What `service get` says besides addresses: the same for all of a service, but for its forwarding mode. */
export function serviceFacts(frontends: readonly ServiceView[]): [string, string][] {
  const [first] = frontends;
  if (!first) return [];
  const { flags } = first;
  const { sessionAffinityTimeout: affinity, sourceRanges, healthCheckNodePort } = flags;
  const modes = new Set(frontends.map((frontend) => frontend.flags.forwardingMode));
  return [
    ["service", `${first.namespace}/${first.name}`],
    ["external traffic policy", flags.externalTrafficPolicy],
    ["internal traffic policy", flags.internalTrafficPolicy],
    ["session affinity", affinity === 0 ? "none" : `client, ${affinity} s`],
    ["algorithm", flags.algorithm],
    ["forwarding mode", [...modes].join(", ")],
    ...(sourceRanges ? [fact("source ranges", sourceRanges.join(" "))] : []),
    ...(healthCheckNodePort ? [fact("health check node port", `${healthCheckNodePort}`)] : []),
  ];
}

function fact(name: string, value: string): [string, string] {
  return [name, value];
}
