// What of the cluster an address belongs to: no name makes such an address allowed.
import type { RefusalReason } from "@tsilium/fqdn/model.ts";
import type { Ipcache } from "@tsilium/ipcache";
import type { ExplainedClaim } from "@tsilium/ipcache/model.ts";
import type { Service } from "@tsilium/kube";
import { Address, Prefix } from "@tsilium/net";
import type { Table } from "@tsilium/tables";
import { apiServerOwner } from "../ipcache/claims.ts";

export type ClusterAddressesOptions = {
  readonly ipcache: Pick<Ipcache, "table" | "explain">;
  /** Of this node. */
  readonly podCidrs: () => readonly Prefix[];
  /** Of this node's interfaces, keyed by text. */
  readonly ownAddresses: Table<Address>;
  /** Keyed by text. */
  readonly apiServer: Table<Address>;
  readonly services: Table<Service>;
};

export class ClusterAddresses {
  readonly #options: ClusterAddressesOptions;
  /** How many services have an address, by its text. */
  readonly #services = new Map<string, number>();

  constructor(options: ClusterAddressesOptions) {
    this.#options = options;
  }

  /**
   * Follows them.
   * @param onChange told of prefixes inside which answers may be others
   */
  follow(onChange: (prefix: Prefix) => void): Disposable {
    const { ipcache, ownAddresses, apiServer, services } = this.#options;
    const subscriptions = new DisposableStack();
    const tell = ({ row }: { readonly row: Address }) => onChange(Prefix.host(row));
    subscriptions.use(ownAddresses.subscribe(tell));
    subscriptions.use(apiServer.subscribe(tell));
    subscriptions.use(
      ipcache.table.subscribe(({ row, previous }) => {
        const isOurs = row.source === "fqdn" && (previous?.source ?? "fqdn") === "fqdn";
        if (!isOurs) onChange(row.prefix);
      }),
    );
    subscriptions.use(
      services.subscribe(
        ({ kind, row, previous }) => {
          const before = kind === "delete" ? row : previous;
          const changed = [
            ...(kind === "upsert" ? this.#count(row, 1) : []),
            ...(before ? this.#count(before, -1) : []),
          ];
          for (const address of changed) onChange(Prefix.host(address));
        },
        { replay: true },
      ),
    );
    return subscriptions;
  }

  /** undefined: it is not the cluster's. */
  reasonFor(address: Address): RefusalReason | undefined {
    const { ipcache, podCidrs, ownAddresses, apiServer } = this.#options;
    const text = address.toString();
    if (apiServer.has(text)) return "address of the API server";
    if (ownAddresses.has(text)) return "address of a node";
    if (podCidrs().some((cidr) => cidr.contains(address))) return "pod address";
    if (this.#services.has(text)) return "service address";
    const claim = ipcache.explain(address).find(({ source }) => source !== "fqdn");
    return claim && reasonOf(claim);
  }

  /** Answers the addresses that came or went with that. */
  #count(service: Service, change: 1 | -1): Address[] {
    return addressesOf(service).filter((address) => {
      const text = address.toString();
      const count = (this.#services.get(text) ?? 0) + change;
      if (count > 0) this.#services.set(text, count);
      else this.#services.delete(text);
      return count === 0 || (count === 1 && change === 1);
    });
  }
}

function reasonOf({ owner, prefix, podName }: ExplainedClaim): RefusalReason {
  if (owner === apiServerOwner) return "address of the API server";
  if (podName !== undefined || owner.startsWith("endpoint/")) return "pod address";
  if (!owner.startsWith("node/")) return "address of the cluster";
  return prefix.isHost ? "address of a node" : "pod address";
}

/** Every address that a Service is reached by. Its backends are pods, or nobody of the cluster. */
function addressesOf({ spec, status }: Service): Address[] {
  const texts = [
    ...(spec?.clusterIPs ?? []),
    spec?.clusterIP,
    ...(spec?.externalIPs ?? []),
    ...(status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip),
  ];
  return [...new Set(texts)].flatMap((text) => Address.tryParse(text ?? "") ?? []);
}
