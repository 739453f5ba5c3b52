// Every pod's resolv.conf, kept right while the addresses of cluster DNS change. The files are rewritten in place:
// containers have them bind-mounted.
import { writeFileSync } from "node:fs";
import type { Pod } from "@tsilium/kube";
import { worldAddresses } from "../layout.ts";
import { resolvConf } from "./files.ts";

/** The pods that serve cluster DNS: kube-system, k8s-app=kube-dns. */
export function isDnsPod(pod: Pod): boolean {
  const { namespace, labels } = pod.metadata;
  return namespace === "kube-system" && labels?.["k8s-app"] === "kube-dns";
}

/** How pods in the node's own network reach cluster DNS: by its service, or, where no node balances for them, directly. */
export type HostDns = "service" | "pods";

export class ClusterDns {
  readonly #hostDns: HostDns;
  readonly #files = new Map<string, Pod>();
  #service: readonly string[] = [];
  #pods: readonly string[] = [];

  constructor(hostDns: HostDns) {
    this.#hostDns = hostDns;
  }

  /** Writes a pod's file and keeps it right until it is forgotten. */
  provide(pod: Pod, path: string): void {
    this.#files.set(path, pod);
    this.#write(path, pod);
  }

  forget(path: string): void {
    this.#files.delete(path);
  }

  /** The service's cluster IPs that pods can reach, the preferred first. As a kubelet does, pods are given one. */
  serviceIs(addresses: readonly string[]): void {
    this.#service = addresses.slice(0, 1);
    this.#writeAll();
  }

  /** The servers' own addresses as of now. */
  podsAre(addresses: readonly string[]): void {
    if (addresses.join() === this.#pods.join()) return;
    this.#pods = addresses;
    if (this.#hostDns === "pods") this.#writeAll();
  }

  #writeAll(): void {
    for (const [path, pod] of this.#files) this.#write(path, pod);
  }

  #write(path: string, pod: Pod): void {
    const direct = pod.spec.hostNetwork === true && this.#hostDns === "pods";
    const servers = {
      cluster: direct ? this.#pods : this.#service,
      node: [worldAddresses.ipv4, worldAddresses.ipv6],
    };
    writeFileSync(path, resolvConf(pod, servers));
  }
}
