// What tests say of a service: its frontends, and who is behind them.
import type { FrontendKind } from "../../packages/datapath/src/model.ts";
import type { Party } from "./world.ts";

export const protocols = { tcp: 6, udp: 17, sctp: 132 } as const;
export type ProtocolName = keyof typeof protocols;

/** Where somebody listens. */
export type Place = { readonly at: Party; readonly port: number };

/** As sockets ask for a node port. */
export const anyNode: Party = { 4: "0.0.0.0", 6: "::" };

export type FrontendSpec = Place & {
  readonly kind: FrontendKind;
  readonly dsr?: boolean;
  readonly localRedirect?: boolean;
  /** Clients from outside must be in one of them. */
  readonly sourceRanges?: readonly string[];
  /** Namespaces whose packets and sockets are not balanced. */
  readonly exceptions?: readonly bigint[];
};

export type ServiceSpec = {
  readonly frontends: readonly FrontendSpec[];
  /** Default: all three. */
  readonly protocols?: readonly ProtocolName[];
  /** Who gets new flows: those of clients of the cluster and, unless `external` says otherwise, from outside. */
  readonly backends: readonly Place[];
  readonly external?: readonly Place[];
  /** Who serves the flows that it has. */
  readonly terminating?: readonly Place[];
  readonly affinityTimeoutS?: number;
  readonly silent?: boolean;
  readonly maglev?: boolean;
};
