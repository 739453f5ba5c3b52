// What a Service asks for, read defensively from its object: which addresses, of which families, shared with whom.
import type { IPFamily, Service } from "@tsilium/kube";
import { Address, type Family } from "@tsilium/net";
import type { Labels, ServiceRequest } from "./model.ts";

export type RequestOptions = {
  /** Families that the cluster has, the default one first. */
  readonly families: readonly Family[];
  /** Whether services of no class are ours: default-lb-service-ipam lbipam. */
  readonly servesClassless: boolean;
};

/** Classes whose announcers have their addresses from LB-IPAM. */
const ownClasses: readonly string[] = ["io.cilium/bgp-control-plane", "io.cilium/l2-announcer"];

/** Each with the name that it had first. */
const annotations = {
  ips: ["lbipam.cilium.io/ips", "io.cilium/lb-ipam-ips"],
  sharingKey: ["lbipam.cilium.io/sharing-key", "io.cilium/lb-ipam-sharing-key"],
  crossNamespace: [
    "lbipam.cilium.io/sharing-cross-namespace",
    "io.cilium/lb-ipam-sharing-cross-namespace",
  ],
} as const;

/** Whether a service is to have its addresses from pools, as far as its type and class go. */
export function isServed({ spec }: Service, { servesClassless }: RequestOptions): boolean {
  if (spec.type !== "LoadBalancer") return false;
  const { loadBalancerClass: wanted } = spec;
  return wanted === undefined ? servesClassless : ownClasses.includes(wanted);
}

export function readRequest(service: Service, options: RequestOptions): ServiceRequest {
  const { metadata, spec } = service;
  const { name = "", namespace = "" } = metadata;
  const named = [spec.loadBalancerIP ?? "", ...listed(annotationOf(service, "ips"))];
  const wanted = named.filter((text) => text !== "");
  return {
    name: `${namespace}/${name}`,
    namespace,
    createdAt: metadata.creationTimestamp ?? "",
    labels: {
      ...metadata.labels,
      "io.kubernetes.service.name": name,
      "io.kubernetes.service.namespace": namespace,
    },
    families: wantedFamilies(service, options),
    requested: distinct(wanted.flatMap((text) => Address.tryParse(text) ?? [])),
    unreadable: wanted.filter((text) => !Address.tryParse(text)),
    sharingKey: annotationOf(service, "sharingKey"),
    crossNamespace: listed(annotationOf(service, "crossNamespace")),
    ports: (spec.ports ?? []).map(({ port, protocol = "TCP" }) => `${protocol}/${port}`),
    externalTrafficPolicy: spec.externalTrafficPolicy === "Local" ? "Local" : "Cluster",
    selector: (spec.selector ?? {}) as Labels,
  };
}

/** As Cilium reads `ipFamilyPolicy`: one family unless the policy wants two, and the cluster has two. */
function wantedFamilies({ spec }: Service, { families }: RequestOptions): Family[] {
  const named = (spec.ipFamilies ?? []).map(familyOf);
  if (spec.ipFamilyPolicy === "RequireDualStack") return [...families];
  if (spec.ipFamilyPolicy === "PreferDualStack")
    return families.filter((family) => named.length === 0 || named.includes(family));
  return [...named, ...families].slice(0, 1);
}

function familyOf(family: IPFamily): Family {
  return family === "IPv6" ? 6 : 4;
}

function annotationOf({ metadata }: Service, name: keyof typeof annotations): string {
  for (const key of annotations[name]) {
    const value = metadata.annotations?.[key];
    if (value) return value;
  }
  return "";
}

function listed(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function distinct(addresses: readonly Address[]): Address[] {
  return [...new Map(addresses.map((address) => [address.toString(), address])).values()];
}

/** The addresses in a service's status, in order; names and what is no address are passed over. */
export function addressesIn({ status }: Service): Address[] {
  return (status?.loadBalancer?.ingress ?? []).flatMap(
    ({ ip }) => Address.tryParse(ip ?? "") ?? [],
  );
}
