// What an engine has of each thing, all of it from its start on: a listener that is opened later would need a reload,
// and a process that is reloaded lets kept connections go on under the rules it had. The whole range costs 20 MB and a tenth of a second.
import type { Direction } from "@tsilium/policy/model.ts";
import { listenerPorts } from "../model.ts";

export type Pool = {
  readonly http: readonly number[];
  readonly sni: readonly number[];
  /** Where TLS ends that is terminated: without and with certificates asked of clients. */
  readonly slots: { readonly plain: readonly string[]; readonly mutual: readonly string[] };
};

const plainSlots = 64;
const mutualSlots = 8;

/** Everything that rule sets of a direction may need. */
export function poolOf(direction: Direction): Pool {
  const { http, sni } = listenerPorts[direction];
  return {
    http: range(http.first, http.last),
    sni: range(sni.first, sni.last),
    slots: {
      plain: range(0, plainSlots - 1).map((index) => `t${index}`),
      mutual: range(0, mutualSlots - 1).map((index) => `m${index}`),
    },
  };
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Without listeners whose ports somebody else has. */
export function poolWithout(pool: Pool, taken: ReadonlySet<number>): Pool {
  const free = (ports: readonly number[]) => ports.filter((port) => !taken.has(port));
  return { ...pool, http: free(pool.http), sni: free(pool.sni) };
}
