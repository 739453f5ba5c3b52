// All that a node knows of who is who, for turning addresses, identities and numbers of events into what people call them.
import { ReservedIdentity, worldIdentity } from "@tsilium/identity/model.ts";
import type { Flow, FlowEndpoint, FlowService, Workload } from "../model.ts";
import { AddressTable, type KnownAddress } from "./address-table.ts";
import { Addresses } from "./addresses.ts";
import { FlowEndpoints } from "./endpoints.ts";
import { clusterOf, Identities } from "./identities.ts";
import type { EnrichItem } from "./model.ts";
import { DnsNames } from "./names.ts";
import { type Pod, Pods } from "./pods.ts";
import { Policies, type RulePolicies } from "./policies.ts";
import { serviceAt, Services } from "./services.ts";

type Self = Extract<EnrichItem, { kind: "self" }>;

const noWorkloads: readonly Workload[] = Object.freeze([]);

export class Enricher {
  /** Names that pods got from DNS; taught by whoever sees the answers. */
  readonly names = new DnsNames();
  readonly #identities = new Identities();
  readonly #addresses = new Addresses();
  readonly #services = new Services();
  readonly #policies = new Policies();
  readonly #interned = new FlowEndpoints();
  readonly #pods = new Pods((endpoint) => this.#interned.of(endpoint));
  readonly #table = new AddressTable();
  readonly #interfaces = new Map<number, NonNullable<Flow["interface"]>>();
  /** Own addresses of this node. */
  readonly #ownNodes = new Map<string, Extract<EnrichItem, { kind: "node" }>>();
  #self: Self | undefined;
  #nodeName = "";
  /** Counts up with every change that may make an address or identity somebody else's. */
  #revision = 0;

  /** As flows name this node: alone in the cluster "default", as "cluster/node" elsewhere. */
  get nodeName(): string {
    return this.#nodeName;
  }

  get nodeLabels(): readonly string[] {
    return this.#self?.nodeLabels ?? [];
  }

  /** @throws AddressError for prefixes that are none */
  apply(item: EnrichItem): void {
    switch (item.kind) {
      case "self":
        this.#self = item;
        this.#nodeName =
          item.clusterName === "default" || item.clusterName === ""
            ? item.nodeName
            : `${item.clusterName}/${item.nodeName}`;
        break;
      case "endpoint":
        this.#pods.set(item);
        this.#nameInterface(item.ifindex, item.interfaceName);
        break;
      case "endpoint-gone": {
        const gone = this.#pods.delete(item.id);
        if (gone) this.#interfaces.delete(gone.ifindex);
        this.names.forget(item.id);
        break;
      }
      case "identity":
        this.#identities.set(item.id, item.labels);
        break;
      case "identity-gone":
        this.#identities.delete(item.id);
        break;
      case "address":
        this.#addresses.set(item);
        break;
      case "address-gone":
        this.#addresses.delete(item.prefix);
        break;
      case "frontend":
        this.#services.set(item);
        break;
      case "frontend-gone":
        this.#services.delete(item.id);
        break;
      case "interface":
        this.#nameInterface(item.index, item.name);
        return;
      case "node":
        if (item.local) this.#ownNodes.set(item.name, item);
        return;
      case "node-gone":
        this.#ownNodes.delete(item.name);
        return;
      case "rule":
        this.#policies.setRule(item.number, item.name);
        return;
      case "policy":
        this.#policies.setRevision(item.ref, item.revision, item.gone);
        return;
      case "synced":
        return;
    }
    this.#revision++;
  }

  /** An IPv4 address by its number in network order. */
  ipv4(word: number): KnownAddress {
    return this.#table.ipv4(word);
  }

  /** An IPv6 address by its words in network order. */
  ipv6(a: number, b: number, c: number, d: number): KnownAddress {
    return this.#table.ipv6(a, b, c, d);
  }

  /** Who has the address. @param identity what the event said of it, which wins; 0: nothing */
  endpointAt(address: KnownAddress, identity: number): FlowEndpoint {
    if (address.revision !== this.#revision) this.#refresh(address);
    const known = address.endpoint;
    if (known !== undefined && address.identity === identity) return known;
    const endpoint = this.#endpointOf(address, identity);
    address.endpoint = endpoint;
    address.identity = identity;
    return endpoint;
  }

  /** A pod of this node. */
  pod(endpointId: number): Pod | undefined {
    return endpointId === 0 ? undefined : this.#pods.byId(endpointId);
  }

  /** A pod of this node as flows show it. @param identity as `endpointAt` */
  podEndpoint(pod: Pod, identity: number): FlowEndpoint {
    if (identity === 0 || identity === pod.endpoint.identity) return pod.endpoint;
    return (pod.endpoint = this.#interned.of({ ...pod.endpoint, identity }));
  }

  /** Whose a socket is, by its network namespace: with the address that it speaks from, "": not known. */
  socketOwner(netnsCookie: bigint, family: 4 | 6): { endpoint: FlowEndpoint; address: string } {
    const pod = this.#pods.byNetns(netnsCookie);
    if (pod) {
      const address = (family === 4 ? pod.item.ipv4 : pod.item.ipv6) ?? "";
      return { endpoint: this.podEndpoint(pod, pod.item.identity), address };
    }
    const isHost = netnsCookie === this.#self?.netnsCookie;
    const [node] = isHost ? this.#ownNodes.values() : [];
    const identity = isHost ? ReservedIdentity.host : 0;
    return {
      endpoint: this.#unnamed(identity),
      address: (family === 4 ? node?.ipv4 : node?.ipv6) ?? "",
    };
  }

  /** The service that an address and port are a frontend of. */
  serviceAt(address: KnownAddress, port: number, protocol: number): FlowService | undefined {
    if (address.revision !== this.#revision) this.#refresh(address);
    return serviceAt(address.services, port, protocol);
  }

  /** The service of a frontend's number, 0: none. */
  serviceOf(frontend: number): FlowService | undefined {
    return frontend === 0 ? undefined : this.#services.byId(frontend);
  }

  /** What a rule's number stands for; undefined: not told yet. */
  rule(number: number): RulePolicies | undefined {
    return this.#policies.rule(number);
  }

  /** A device of this node; the name is "" where it is not known. */
  interface(index: number): Flow["interface"] {
    if (index === 0) return undefined;
    const known = this.#interfaces.get(index);
    if (known) return known;
    return { index, name: "" };
  }

  #refresh(address: KnownAddress): void {
    address.revision = this.#revision;
    address.endpoint = undefined;
    const { text, family } = address;
    const identity = this.#addresses.of(text)?.identity;
    address.services = this.#services.ofAddress(text, family, isNode(identity));
  }

  #endpointOf({ text, family }: KnownAddress, identity: number): FlowEndpoint {
    const pod = this.#pods.byAddress(text);
    if (pod) return this.podEndpoint(pod, identity === 0 ? pod.item.identity : identity);
    const row = this.#addresses.of(text);
    const known = row?.identity ?? worldIdentity(family, this.#self?.dualStack ?? false);
    const id = identity === 0 ? known : identity;
    if (!row || row.podName === "") return this.#unnamed(id);
    const labels = this.#identities.labelsOf(id);
    return this.#interned.of({
      id: 0,
      identity: id,
      clusterName: clusterOf(labels),
      namespace: row.namespace,
      labels,
      podName: row.podName,
      workloads: noWorkloads,
    });
  }

  /** Whom only an identity is known of. */
  #unnamed(identity: number): FlowEndpoint {
    const labels = this.#identities.labelsOf(identity);
    return this.#interned.of({
      id: 0,
      identity,
      clusterName: clusterOf(labels),
      namespace: "",
      labels,
      podName: "",
      workloads: noWorkloads,
    });
  }

  #nameInterface(index: number, name: string): void {
    if (index !== 0) this.#interfaces.set(index, Object.freeze({ index, name }));
  }
}

function isNode(identity: number | undefined): boolean {
  return (
    identity === ReservedIdentity.host ||
    identity === ReservedIdentity["remote-node"] ||
    identity === ReservedIdentity["kube-apiserver"]
  );
}
