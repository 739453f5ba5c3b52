// The agent's side of giving addresses back: the operator marks, the agent says yes or no, the operator takes away, the
// agent clears the entry. Pure.

export type ReleaseAnswer = {
  /** Merge patch of status.ipam.release-ips; undefined: nothing to say. */
  readonly patch: Readonly<Record<string, string | null>> | undefined;
  /** Addresses that nobody may be given from now on. */
  readonly leaving: ReadonlySet<string>;
};

/**
 * What to answer, given who has what right now: whoever calls it must stop handing out `leaving` before anybody else
 * allocates, and before the answer is written.
 */
export function answerReleases(
  statuses: Readonly<Record<string, string>>,
  options: {
    readonly isUsed: (address: string) => boolean;
    /** Addresses of spec.ipam.pool. */
    readonly pool: ReadonlySet<string>;
  },
): ReleaseAnswer {
  const { isUsed, pool } = options;
  const patch: Record<string, string | null> = {};
  const leaving = new Set<string>();
  for (const [address, status] of Object.entries(statuses)) {
    switch (status) {
      case "marked-for-release":
        patch[address] = isUsed(address) ? "do-not-release" : "ready-for-release";
        if (!isUsed(address)) leaving.add(address);
        break;
      case "ready-for-release":
        // Restored after the answer, by an agent that came back: it stays.
        if (isUsed(address)) patch[address] = "do-not-release";
        else leaving.add(address);
        break;
      case "released":
        if (pool.has(address)) leaving.add(address);
        else patch[address] = null;
        break;
      default:
      // do-not-release is the operator's to clear.
    }
  }
  return { patch: Object.keys(patch).length > 0 ? patch : undefined, leaving };
}
