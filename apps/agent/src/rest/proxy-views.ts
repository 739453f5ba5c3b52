// Proxies as the REST API shows them.
import type { SeatView } from "../proxy/model.ts";

/** Body of /v1/proxy. */
export type ProxiesView = {
  /** enable-l7-proxy */
  readonly enabled: boolean;
  /** l7-engine */
  readonly engine: string;
  /** Requests that were judged and not told to Hubble. */
  readonly recordsLost: number;
  /** Those that somebody needs, or that run. */
  readonly proxies: readonly ProxyView[];
};

export type ProxyView = {
  readonly name: string;
  readonly state: string;
  readonly engine?: string;
  readonly pid?: number;
  readonly restarts: number;
  readonly problem?: string;
  readonly connections?: number;
  readonly requests?: {
    readonly forwarded: number;
    readonly denied: number;
    readonly errors: number;
  };
  /** Whatever else it counts, by name. */
  readonly counters?: Readonly<Record<string, number>>;
  /** Sentences: what cannot be told, or is not as it should be. */
  readonly notes?: readonly string[];
  readonly listeners: readonly {
    readonly port: number;
    readonly kind: string;
    readonly rules: number;
    /** Wanted. */
    readonly version: number;
    /** In force; absent: none is yet. */
    readonly acknowledged?: number;
    readonly problem?: string;
  }[];
};

export function proxyView(seat: SeatView): ProxyView {
  const { name, state, engine, pid, restarts, problem, status, listeners } = seat;
  return {
    name,
    state,
    ...(engine === undefined ? {} : { engine }),
    ...(pid === undefined ? {} : { pid }),
    restarts,
    ...(problem === undefined ? {} : { problem }),
    ...(status ? { connections: status.connections, requests: status.requests } : {}),
    ...(status?.counters ? { counters: status.counters } : {}),
    ...(status?.notes ? { notes: status.notes } : {}),
    listeners: listeners.map(({ acknowledged, problem: reason, ...rest }) => ({
      ...rest,
      ...(acknowledged === undefined ? {} : { acknowledged }),
      ...(reason === undefined ? {} : { problem: reason }),
    })),
  };
}
