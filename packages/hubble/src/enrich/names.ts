// Names that pods asked DNS for, by what they were told: an address has a name only for the pod that asked.

/** Names of all pods together; the oldest are forgotten first. */
const capacity = 65_536;
/** Of one address: who runs a DNS server and an address can give it as many as there are answers, and flows carry them all. */
const mostNames = 32;
const none: readonly string[] = Object.freeze([]);

type Known = { names: readonly string[]; untilNs: bigint };

export class DnsNames {
  /** By endpoint and address. */
  readonly #known = new Map<string, Known>();

  /** An endpoint learnt at `nowNs` (UNIX) that a name has this address, for `ttlS` seconds. */
  learn(endpointId: number, address: string, name: string, ttlS: number, nowNs: bigint): void {
    const key = `${endpointId}/${address}`;
    const untilNs = nowNs + BigInt(Math.ceil(Math.max(0, ttlS))) * 1_000_000_000n;
    const bare = name.endsWith(".") ? name.slice(0, -1) : name;
    const before = this.#known.get(key);
    const isAlive = before !== undefined && before.untilNs >= nowNs;
    const names = isAlive ? before.names : none;
    this.#known.delete(key);
    this.#known.set(key, {
      names:
        names.includes(bare) || names.length >= mostNames ? names : [...names, bare].toSorted(),
      untilNs: isAlive && before.untilNs > untilNs ? before.untilNs : untilNs,
    });
    if (this.#known.size <= capacity) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      return;
    }
  }

  forget(endpointId: number): void {
    const prefix = `${endpointId}/`;
    for (const key of this.#known.keys()) if (key.startsWith(prefix)) this.#known.delete(key);
  }

  /** Names an endpoint knows an address by; connections outlive TTLs, and so do names, until they are forgotten. */
  of(endpointId: number, address: string): readonly string[] {
    if (this.#known.size === 0 || endpointId === 0) return none;
    return this.#known.get(`${endpointId}/${address}`)?.names ?? none;
  }
}
