// The operator's side of giving addresses back (packages/cloud/src/decide/release.ts tells the whole). Pure.
import type { ReleaseStatus } from "@tsilium/cloud";

export type HandshakeInput = {
  /** status.ipam.release-ips as the agent left it. */
  readonly statuses: Readonly<Record<string, string>>;
  /** Addresses that are too many now. */
  readonly candidates: readonly string[];
  /** Since when each of them has been, milliseconds since the epoch. */
  readonly since: ReadonlyMap<string, number>;
  /** Addresses of the pool; what was taken away is not among them. */
  readonly pool: ReadonlySet<string>;
  readonly nowMs: number;
  readonly delayMs: number;
};

export type Handshake = {
  /** What release-ips should say. */
  readonly statuses: Readonly<Record<string, ReleaseStatus>>;
  readonly since: ReadonlyMap<string, number>;
  /** When to look again, because an address will have been too many for long enough; undefined: at the next change. */
  readonly againInMs: number | undefined;
};

export function handshake(input: HandshakeInput): Handshake {
  const { candidates, pool, nowMs, delayMs } = input;
  const statuses: Record<string, ReleaseStatus> = {};
  for (const [address, status] of Object.entries(input.statuses)) {
    const next = follow(address, status, { pool, candidates });
    if (next) statuses[address] = next;
  }
  const refused = new Set(
    Object.entries(input.statuses)
      .filter(([, status]) => status === "do-not-release")
      .map(([address]) => address),
  );
  const since = new Map<string, number>();
  let againInMs: number | undefined;
  for (const address of candidates) {
    if (statuses[address]) continue;
    // What the agent would not let go waits from the start again.
    const from = refused.has(address) ? nowMs : (input.since.get(address) ?? nowMs);
    since.set(address, from);
    const leftMs = from + delayMs - nowMs;
    if (leftMs > 0) againInMs = Math.min(againInMs ?? Infinity, leftMs);
    else statuses[address] = "marked-for-release";
  }
  return { statuses, since, againInMs };
}

/** What becomes of an entry there is. */
function follow(
  address: string,
  status: string,
  { pool, candidates }: Pick<HandshakeInput, "pool" | "candidates">,
): ReleaseStatus | undefined {
  switch (status) {
    case "marked-for-release":
      // Not too many after all, and the agent has not let it go yet.
      return candidates.includes(address) ? status : undefined;
    case "ready-for-release":
      if (!pool.has(address)) return "released";
      // Of a prefix of which another address is in use again: the agent may have it back.
      return candidates.includes(address) ? status : undefined;
    case "released":
      // The agent takes these away; one that came back to the node is a new address.
      return pool.has(address) ? undefined : status;
    default:
      return undefined;
  }
}
