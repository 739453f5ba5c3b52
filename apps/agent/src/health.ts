// How every part of the agent is, asked when somebody wants to know. Nothing here watches or repairs.

export type HealthState = "ok" | "degraded" | "failed" | "disabled";
export type PartHealth = {
  readonly name: string;
  readonly state: HealthState;
  /** One sentence; for ok a fact or two. */
  readonly message: string;
};
export type Probe = () => Omit<PartHealth, "name"> | readonly PartHealth[];

export class Health {
  readonly #probes = new Map<string, Probe>();

  /** Adds a part, or replaces it; a probe may also answer for several parts. */
  register(name: string, probe: Probe): void {
    this.#probes.set(name, probe);
  }

  /** Every part as it is now, in order of registration. */
  parts(): PartHealth[] {
    return [...this.#probes].flatMap(([name, probe]) => {
      try {
        const found = probe();
        return isList(found) ? [...found] : [{ name, ...found }];
      } catch (error) {
        return [{ name, state: "failed" as const, message: (error as Error).message }];
      }
    });
  }

  /** The worst state of all parts. */
  overall(): HealthState {
    return worst(this.parts());
  }
}

/** "disabled" counts as ok: somebody wanted it so. */
export function worst(parts: readonly PartHealth[]): HealthState {
  if (parts.some(({ state }) => state === "failed")) return "failed";
  return parts.some(({ state }) => state === "degraded") ? "degraded" : "ok";
}

function isList(found: ReturnType<Probe>): found is readonly PartHealth[] {
  return Array.isArray(found);
}
