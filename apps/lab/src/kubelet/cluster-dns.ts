// Every pod's resolv.conf, kept right while the address of the cluster's DNS server changes. The files are
// rewritten in place: containers have them bind-mounted.
import { writeFileSync } from "node:fs";
import type { Pod } from "@tsilium/kube";
import { worldAddresses } from "../layout.ts";
import { resolvConf } from "./files.ts";

/** The pods that serve cluster DNS: kube-system, k8s-app=kube-dns. */
export function isDnsPod(pod: Pod): boolean {
  const { namespace, labels } = pod.metadata;
  return namespace === "kube-system" && labels?.["k8s-app"] === "kube-dns";
}

export class ClusterDns {
  readonly #files = new Map<string, Pod>();
  #servers: readonly string[] = [];

  /** Writes a pod's file and keeps it right until it is forgotten. */
  provide(pod: Pod, path: string): void {
    this.#files.set(path, pod);
    this.#write(path, pod);
  }

  forget(path: string): void {
    this.#files.delete(path);
  }

  /** The servers' addresses as of now. */
  serversAre(addresses: readonly string[]): void {
    if (addresses.join() === this.#servers.join()) return;
    this.#servers = addresses;
    for (const [path, pod] of this.#files) this.#write(path, pod);
  }

  #write(path: string, pod: Pod): void {
    const servers = { cluster: this.#servers, node: [worldAddresses.ipv4, worldAddresses.ipv6] };
    writeFileSync(path, resolvConf(pod, servers));
  }
}
