// The files Kubernetes puts into a pod: /etc/resolv.conf and /etc/hosts. Pure.
import type { Pod } from "@tsilium/kube";
import { clusterDomain } from "../layout.ts";
import { hostnameOf } from "./environment.ts";

export type NameServers = {
  /** The cluster's DNS server; empty while there is none. */
  readonly cluster: readonly string[];
  /** What the node itself uses. */
  readonly node: readonly string[];
};

/** https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/ */
export function resolvConf(pod: Pod, servers: NameServers): string {
  const { dnsPolicy = "ClusterFirst", dnsConfig, hostNetwork } = pod.spec;
  const clusterFirst =
    dnsPolicy === "ClusterFirstWithHostNet" || (dnsPolicy === "ClusterFirst" && !hostNetwork);
  const base =
    dnsPolicy === "None"
      ? { nameservers: [], searches: [], options: [] }
      : clusterFirst
        ? {
            nameservers: servers.cluster,
            searches: [
              `${pod.metadata.namespace}.svc.${clusterDomain}`,
              `svc.${clusterDomain}`,
              clusterDomain,
            ],
            options: [{ name: "ndots", value: "5" }],
          }
        : { nameservers: servers.node, searches: [], options: [] };
  // The resolver reads three servers and takes the last of equal options.
  const nameservers = [...new Set([...base.nameservers, ...(dnsConfig?.nameservers ?? [])])];
  const searches = [...new Set([...base.searches, ...(dnsConfig?.searches ?? [])])];
  const options = new Map(
    [...base.options, ...(dnsConfig?.options ?? [])].map(({ name, value }) => [
      name,
      value === undefined ? name : `${name}:${value}`,
    ]),
  );
  return [
    ...(searches.length > 0 ? [`search ${searches.join(" ")}`] : []),
    ...nameservers.slice(0, 3).map((server) => `nameserver ${server}`),
    ...(options.size > 0 ? [`options ${[...options.values()].join(" ")}`] : []),
    "",
  ].join("\n");
}

/** /etc/hosts of a pod: itself by its addresses, and its hostAliases. */
export function hostsFile(pod: Pod, podIps: readonly string[]): string {
  const hostname = hostnameOf(pod);
  const { subdomain, hostAliases = [] } = pod.spec;
  const names = subdomain
    ? `${hostname}.${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}\t${hostname}`
    : hostname;
  return [
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
    ...podIps.map((ip) => `${ip}\t${names}`),
    ...hostAliases.map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join("\t")}`),
    "",
  ].join("\n");
}
