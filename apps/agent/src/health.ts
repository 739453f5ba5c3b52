// How every part of the agent is, asked when somebody wants to know. Nothing here watches or repairs.
import type { PartHealth } from "@tsilium/runtime";

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
}

function isList(found: ReturnType<Probe>): found is readonly PartHealth[] {
  return Array.isArray(found);
}
