// The proxies of a node, one process each, and how they are.
import { listenerPorts, type ListenerRules, type ProxyStatus } from "@tsilium/proxy/model.ts";
import type { Direction, RuleSet, RuleSetKind } from "@tsilium/policy/model.ts";

/** The processes that a node may have. Engines enforce http and sni. */
export const seatNames = [
  "engine-egress",
  "engine-ingress",
  "dns",
  "kafka-egress",
  "kafka-ingress",
] as const;
export type SeatName = (typeof seatNames)[number];

/** Who enforces a rule set; undefined: nobody can (DNS rules hold for egress alone). */
export function seatOf({
  kind,
  direction,
}: Pick<RuleSet, "kind" | "direction">): SeatName | undefined {
  switch (kind) {
    case "http":
    case "sni":
      return `engine-${direction}`;
    case "kafka":
      return `kafka-${direction}`;
    case "dns":
      return direction === "egress" ? "dns" : undefined;
  }
}

/** Whose listener a port is, by the ranges; undefined: nobody's. */
export function seatOfPort(port: number): SeatName | undefined {
  for (const direction of ["egress", "ingress"] as const)
    for (const [kind, { first, last }] of Object.entries(listenerPorts[direction]))
      if (port >= first && port <= last) return seatOf({ kind: kind as RuleSetKind, direction });
  return undefined;
}

/** Whose packets a seat's connections count as: which cgroup it runs in. */
export function directionOf(seat: SeatName): Direction {
  return seat === "engine-ingress" || seat === "kafka-ingress" ? "ingress" : "egress";
}

/** What the policy worker wants to be enforced. */
export type WantedRules = {
  /** Nothing else than these listeners; otherwise these are added or changed, and `removed` go. */
  readonly whole: boolean;
  readonly listeners: readonly ListenerRules[];
  readonly removed: readonly number[];
};

/** A listener holds a version of its rules; with `problem`: it lets nothing through, and why. */
export type Acknowledgement = {
  readonly port: number;
  readonly version: number;
  readonly problem: string | undefined;
};

/**
 * idle: nobody needs it. waiting: it died or did not start, and is started again in a moment; meanwhile nothing passes.
 */
export type SeatState = "idle" | "starting" | "running" | "waiting";

/** What is known of a seat without asking its process. */
export type SeatReport = {
  readonly name: SeatName;
  readonly state: SeatState;
  readonly pid: number | undefined;
  /** Name and version, when it last ran. */
  readonly engine: string | undefined;
  /** Why it does not run, or the last of what went wrong. */
  readonly problem: string | undefined;
  /** Since the agent started. */
  readonly restarts: number;
  readonly listeners: readonly {
    readonly port: number;
    readonly kind: RuleSetKind;
    readonly rules: number;
    /** Wanted. */
    readonly version: number;
    /** Acknowledged; undefined: none yet. */
    readonly acknowledged: number | undefined;
    readonly problem: string | undefined;
  }[];
};

/** A report and what the process itself says; undefined: it does not answer, or there is none. */
export type SeatView = SeatReport & { readonly status: ProxyStatus | undefined };
