// The status of a Service: the addresses of its load balancer, and conditions.
import { isIP } from "node:net";
import { field, type Cause } from "../errors.ts";
import { dnsSubdomain } from "../objects/names.ts";
import type { ApiObject } from "../objects/object.ts";
import { specOf } from "./service-spec.ts";
import { conditions, port, shape } from "./shape.ts";

type Ingress = { ip?: string; hostname?: string; ipMode?: string };

export const statusSchema = shape.object({
  loadBalancer: shape.object({
    ingress: shape.list(
      shape.object({
        ip: shape.string(),
        hostname: shape.string(),
        ipMode: shape.oneOf(["VIP", "Proxy"]),
        ports: shape.list(
          shape.object({
            "port!": port,
            "protocol!": shape.oneOf(["TCP", "UDP", "SCTP"]),
            error: shape.string(),
          }),
        ),
      }),
    ),
  }),
  conditions,
});

/** Traffic to an address arrives with that address, unless whoever wrote it says otherwise. */
export function prepareStatus(service: ApiObject): void {
  for (const entry of ingressOf(service)) if (entry.ip) entry.ipMode ??= "VIP";
}

export function statusCauses(service: ApiObject): Cause[] {
  const path = "status.loadBalancer.ingress";
  const list = ingressOf(service);
  if (list.length > 0 && specOf(service).type !== "LoadBalancer")
    return [field.forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")];
  return list.flatMap((entry, index) => ingressCauses(entry, `${path}[${index}]`));
}

function ingressCauses({ ip = "", hostname = "", ipMode }: Ingress, path: string): Cause[] {
  const causes: Cause[] = [];
  if (ip !== "" && isIP(ip) === 0)
    causes.push(field.invalid(`${path}.ip`, ip, "must be a valid IP address"));
  if (ip === "" && ipMode !== undefined)
    causes.push(field.forbidden(`${path}.ipMode`, "may not be specified when `ip` is not set"));
  if (hostname === "") return causes;
  const fault =
    isIP(hostname) === 0 ? dnsSubdomain(hostname) : "must be a DNS name, not an IP address";
  return fault ? [...causes, field.invalid(`${path}.hostname`, hostname, fault)] : causes;
}

function ingressOf(service: ApiObject): Ingress[] {
  const status = service["status"] as { loadBalancer?: { ingress?: Ingress[] } } | undefined;
  return status?.loadBalancer?.ingress ?? [];
}
