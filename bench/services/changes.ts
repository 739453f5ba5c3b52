// The benches' services as rows of the kernel's tables, as an agent of a node writes them: an address and port, the
// address whatever the port, and the node port at connect() and on the node's own address.
import { Address } from "@tsilium/net";
import type {
  BackendEntry,
  BackendSetEntry,
  FrontendEntry,
  FrontendKind,
  ServiceChanges,
} from "@tsilium/datapath";
import type { BenchService } from "./workload.ts";

const protocols = { TCP: 6, UDP: 17 } as const;
const nothing = { put: [], remove: [] };
/** Numbers set apart for one service. */
const rowsPerService = 4;

export type PutOptions = {
  /** Number of the first service, which all numbers in the kernel follow from. */
  readonly first: number;
  /** The node's own, of the services' family. */
  readonly nodeAddress: string;
  readonly protocol?: keyof typeof protocols;
};

export function putServices(
  services: readonly BenchService[],
  { first, nodeAddress, protocol = "TCP" }: PutOptions,
): ServiceChanges {
  const shared = { own: Address.parse(nodeAddress), protocol: protocols[protocol] };
  const rows = services.map((service, index) => rowsOf(service, first + index, shared));
  return {
    backends: { put: rows.flatMap(({ backends }) => backends), remove: [] },
    sets: { put: rows.map(({ set }) => set), remove: [] },
    frontends: { put: rows.flatMap(({ frontends }) => frontends), remove: [] },
    sourceRanges: nothing,
    exceptions: nothing,
  };
}

type Rows = {
  readonly backends: readonly BackendEntry[];
  readonly set: BackendSetEntry;
  readonly frontends: readonly FrontendEntry[];
};

function rowsOf(
  service: BenchService,
  number: number,
  { own, protocol }: { readonly own: Address; readonly protocol: number },
): Rows {
  const { clusterIp, port, nodePort, endpoints } = service;
  const firstId = 1 + number * rowsPerService;
  const set = number + 1;
  const backends = endpoints.map((endpoint, index) => ({
    id: firstId + index,
    address: Address.parse(endpoint.address),
    port: endpoint.port,
    protocol,
    state: "active" as const,
  }));
  const frontend = (at: FrontendAt): FrontendEntry => ({
    protocol,
    externalSet: set,
    internalSet: set,
    localRedirect: false,
    dsr: false,
    hasSourceRanges: false,
    hasExceptions: false,
    ...at,
  });
  const address = Address.parse(clusterIp);
  const none = { port: 0, protocol: 0, externalSet: 0, internalSet: 0 };
  return {
    backends,
    set: {
      id: set,
      backends: backends.map(({ id }) => id),
      affinityTimeoutS: 0,
      silent: false,
      maglev: undefined,
    },
    frontends: [
      frontend({ id: firstId, kind: "cluster-ip", address, port }),
      frontend({ id: firstId + 1, kind: "address-only", address, ...none }),
      ...(nodePort === undefined
        ? []
        : [
            frontend({ id: firstId + 2, kind: "node-port", address: undefined, port: nodePort }),
            frontend({ id: firstId + 3, kind: "node-port", address: own, port: nodePort }),
          ]),
    ],
  };
}

type FrontendAt = Pick<FrontendEntry, "id" | "address" | "port"> &
  Partial<FrontendEntry> & { readonly kind: FrontendKind };
