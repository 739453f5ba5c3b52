// Where the API server is: the addresses behind the Service "kubernetes".
import type { EndpointSlice } from "@tsilium/kube";
import { Address } from "@tsilium/net";
import { Table } from "@tsilium/tables";

/** The API server's own Service, whose EndpointSlices it writes itself. */
export const apiServerService = "default/kubernetes";

/** Addresses of the API server, keyed by text, as long as it is not disposed of. */
export class ApiServerAddresses implements Disposable {
  readonly table: Table<Address> = new Table<Address>({
    name: "api-server-addresses",
    key: String,
    equals: () => true,
  });
  readonly #subscription: Disposable;

  /** @param slices indexed by "service", as `endpointSliceTable` is */
  constructor(slices: Table<EndpointSlice>) {
    this.#subscription = slices.subscribe(
      ({ row, previous }) => {
        if (!isOfApiServer(row) && !(previous && isOfApiServer(previous))) return;
        this.#take(slices.by("service", apiServerService));
      },
      { replay: true },
    );
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }

  /** New ones first: there is always somebody to be allowed. */
  #take(slices: readonly EndpointSlice[]): void {
    const addresses = slices.flatMap(addressesOf);
    for (const address of addresses) this.table.upsert(address);
    const kept = new Set(addresses.map(String));
    for (const old of this.table.values().toArray())
      if (!kept.has(old.toString())) this.table.delete(old.toString());
  }
}

/** "namespace/name" of the Service that a slice belongs to; undefined for a slice of nobody. */
export function serviceOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.["kubernetes.io/service-name"];
  return name === undefined ? undefined : `${metadata.namespace}/${name}`;
}

/** Addresses of a slice, ready or not: who it is does not depend on how it is. */
export function addressesOf({ addressType, endpoints }: EndpointSlice): Address[] {
  if (addressType === "FQDN") return [];
  return (endpoints ?? [])
    .flatMap(({ addresses }) => addresses ?? [])
    .flatMap((text) => (typeof text === "string" ? Address.tryParse(text) : undefined) ?? []);
}

function isOfApiServer(slice: EndpointSlice): boolean {
  return serviceOf(slice) === apiServerService;
}
