// Numbers of flows, as the API names them.

export const verdictNames = [
  "UNKNOWN",
  "FORWARDED",
  "DROPPED",
  "ERROR",
  "AUDIT",
  "REDIRECTED",
  "TRACED",
  "TRANSLATED",
] as const;

export const observationPoints = [
  "to-endpoint",
  "to-proxy",
  "to-host",
  "to-stack",
  "to-overlay",
  "from-endpoint",
  "from-proxy",
  "from-host",
  "from-stack",
  "from-overlay",
  "from-network",
  "to-network",
  "from-crypto",
  "to-crypto",
] as const;

export const traceReasons = ["unknown", "new", "established", "reply", "related"] as const;

export const socketPoints = [
  "unknown",
  "pre-xlate-fwd",
  "post-xlate-fwd",
  "pre-xlate-rev",
  "post-xlate-rev",
] as const;

/** Numbers of CiliumEventType.type. */
export const eventTypeNumbers: Readonly<Record<string, number>> = {
  drop: 1,
  debug: 2,
  capture: 3,
  trace: 4,
  "policy-verdict": 5,
  "trace-sock": 8,
  l7: 129,
};

const eventTypeNames = new Map(
  Object.entries(eventTypeNumbers).map(([name, number]) => [number, name]),
);

export function eventTypeName(type: number): string {
  return eventTypeNames.get(type) ?? `type ${type}`;
}

/** Reserved identities. */
export const reservedIdentities: Readonly<Record<string, number>> = {
  unknown: 0,
  host: 1,
  world: 2,
  unmanaged: 3,
  health: 4,
  init: 5,
  "remote-node": 6,
  "kube-apiserver": 7,
  ingress: 8,
  "world-ipv4": 9,
  "world-ipv6": 10,
};

const reservedNames = new Map(
  Object.entries(reservedIdentities).map(([name, number]) => [number, name]),
);

/** undefined: not reserved. */
export function reservedName(identity: number): string | undefined {
  return reservedNames.get(identity);
}

export const matchTypes = [
  "none",
  "peer",
  "peer, protocol and port",
  "protocol and port",
  "everything",
  "peer and protocol",
  "protocol",
] as const;
