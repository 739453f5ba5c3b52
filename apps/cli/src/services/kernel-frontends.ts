// Frontends of the kernel with all that they lead to, and as lines of `cilium-dbg bpf lb list`. Pure.
import type { BackendEntry, BackendSetEntry, FrontendEntry } from "@tsilium/datapath/model.ts";
import { Address } from "@tsilium/net";
import { serviceAddress } from "../socket-address.ts";

export type KernelServices = {
  readonly frontends: readonly FrontendEntry[];
  readonly sets: readonly BackendSetEntry[];
  readonly backends: readonly BackendEntry[];
};

export type BackendView = {
  readonly id: number;
  /** "10.244.0.7:8080/TCP"; undefined: a slot names a backend that is not there. */
  readonly address: string | undefined;
  readonly state: string;
};

export type SetView = {
  readonly id: number;
  readonly algorithm: "random" | "maglev";
  readonly affinityTimeoutSeconds: number;
  readonly noBackendResponse: "reject" | "drop";
  /** By slot. */
  readonly backends: readonly BackendView[];
};

export type FrontendView = {
  readonly id: number;
  /** "10.96.0.1:443/TCP" */
  readonly address: string;
  readonly kind: FrontendEntry["kind"];
  readonly localRedirect: boolean;
  readonly dsr: boolean;
  readonly sourceRanges: boolean;
  readonly exceptions: boolean;
  /** Whom clients from outside, and those of the cluster, are balanced over. */
  readonly external: SetView | undefined;
  readonly internal: SetView | undefined;
};

const anyAddress = Address.parse("::");

/** Ordered by address, port, protocol. */
export function frontendViews({ frontends, sets, backends }: KernelServices): FrontendView[] {
  const backendById = new Map(backends.map((backend) => [backend.id, backend]));
  const setById = new Map(sets.map((set) => [set.id, setView(set, backendById)]));
  return frontends.toSorted(inOrder).map((frontend) => ({
    id: frontend.id,
    address: frontendAddress(frontend),
    kind: frontend.kind,
    localRedirect: frontend.localRedirect,
    dsr: frontend.dsr,
    sourceRanges: frontend.hasSourceRanges,
    exceptions: frontend.hasExceptions,
    external: setById.get(frontend.externalSet),
    internal: setById.get(frontend.internalSet),
  }));
}

export function frontendAddress({
  address = anyAddress,
  port,
  protocol,
}: Pick<FrontendEntry, "address" | "port" | "protocol">): string {
  return serviceAddress(address, port, protocol);
}

export function backendAddress({ address, port, protocol }: BackendEntry): string {
  return serviceAddress(address, port, protocol);
}

function setView(set: BackendSetEntry, backends: ReadonlyMap<number, BackendEntry>): SetView {
  return {
    id: set.id,
    algorithm: set.maglev === undefined ? "random" : "maglev",
    affinityTimeoutSeconds: set.affinityTimeoutS,
    noBackendResponse: set.silent ? "drop" : "reject",
    backends: set.backends.map((id) => {
      const backend = backends.get(id);
      return {
        id,
        address: backend && backendAddress(backend),
        state: backend?.state ?? "missing",
      };
    }),
  };
}

function inOrder(a: FrontendEntry, b: FrontendEntry): number {
  const [left = anyAddress, right = anyAddress] = [a.address, b.address];
  return left.compare(right) || a.port - b.port || a.protocol - b.protocol;
}

/** A line of the table: "10.96.0.1:443/TCP (1)" and "172.18.0.1:6443/TCP (1) (1)". */
export type SlotLine = readonly [service: string, backend: string];

/**
 * Slot 0 stands for the frontend itself and carries its flags. Where clients from outside have other backends than those
 * of the cluster, the latter follow under "/i", as cilium-dbg writes the internal scope.
 */
export function slotLines(frontends: readonly FrontendView[]): SlotLine[] {
  return frontends.flatMap((frontend) => {
    const { external, internal } = frontend;
    if (external?.id === internal?.id) return scopeLines(frontend, "", internal);
    return [...scopeLines(frontend, "", external), ...scopeLines(frontend, "/i", internal)];
  });
}

function scopeLines(frontend: FrontendView, scope: string, set: SetView | undefined): SlotLine[] {
  const service = `${frontend.address}${scope}`;
  const nowhere = frontend.address.startsWith("[") ? "[::]:0" : "0.0.0.0:0";
  const flags = flagWords(frontend, set).join(", ");
  return [
    [`${service} (0)`, `${nowhere} (${frontend.id}) (0) [${flags}]`],
    ...(set?.backends ?? []).map(({ id, address, state }, slot): SlotLine => {
      const where = address ?? `backend ${id} is missing`;
      const note = state === "terminating" ? " [terminating]" : "";
      return [`${service} (${slot + 1})`, `${where} (${frontend.id}) (${slot + 1})${note}`];
    }),
  ];
}

const kindWords: Readonly<Record<FrontendEntry["kind"], readonly string[]>> = {
  "cluster-ip": ["ClusterIP", "non-routable"],
  "node-port": ["NodePort"],
  external: ["LoadBalancer or ExternalIPs"],
  "host-port": ["HostPort"],
  "address-only": ["no port"],
};

/** cilium-dbg's words where it has some. */
export function flagWords(frontend: FrontendView, set: SetView | undefined): string[] {
  return [
    ...kindWords[frontend.kind],
    ...(frontend.localRedirect ? ["LocalRedirect"] : []),
    ...(frontend.dsr ? ["dsr"] : []),
    ...(frontend.sourceRanges ? ["check source-range"] : []),
    ...(frontend.exceptions ? ["exceptions"] : []),
    ...(set && set.affinityTimeoutSeconds > 0 ? ["sessionAffinity"] : []),
    ...(set?.algorithm === "maglev" ? ["maglev"] : []),
    ...(set?.noBackendResponse === "drop" ? ["silent"] : []),
  ];
}
