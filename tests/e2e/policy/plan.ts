// What is probed: every pair, every port, both families, and what the naive evaluator expects of each.
import {
  addressOf,
  type Answer,
  type Family,
  type Naive,
  partiesOf,
  partyName,
  type Party,
  type World,
} from "../../../packages/policy/src/testing/naive/index.ts";
import type { Target } from "./prober.ts";
import { ports, worldAddresses } from "./state.ts";

/** Waiting is for those who are to be let through; the others have this long to get through all the same. */
const patienceMs = { through: 3000, stopped: 400 };

/** One packet of the matrix: what is expected of it and what became of it. */
export type Probe = {
  readonly from: string;
  readonly to: string;
  readonly family: Family;
  /** "tcp/80", "icmp" */
  readonly what: string;
  readonly expected: boolean;
  readonly answer: Answer;
  readonly observed: boolean;
};

export type PlannedProbe = Omit<Probe, "observed"> & { readonly target: Target };

/** Everything that one party sends: to every other pod, and pods also to nodes and to the world, which serves 80 alone. */
export function plan(world: World, from: Party, evaluator: Naive): PlannedProbe[] {
  const outside = worldAddresses.map((address): Party => ({ kind: "outside", address }));
  const parties = [...partiesOf(world), ...outside].filter(
    (to) => partyName(to) !== partyName(from) && (from.kind === "pod" || to.kind === "pod"),
  );
  return parties.flatMap((to) =>
    world.families.flatMap((family) => {
      const address = addressOf(to, family);
      if (address === undefined) return [];
      return questionsOf(to).map(({ protocol, port, what }): PlannedProbe => {
        const icmpType = family === 4 ? 8 : 128;
        const answer = evaluator.verdict({
          from,
          to,
          family,
          protocol: protocol === "icmp" ? "ICMP" : protocol === "tcp" ? "TCP" : "UDP",
          port: protocol === "icmp" ? icmpType : port,
        });
        const expected = answer.verdict !== "denied";
        const timeoutMs = expected ? patienceMs.through : patienceMs.stopped;
        const target = { protocol, address, port, timeoutMs };
        // The world has one name in the table, whichever of its addresses.
        const toName = to.kind === "outside" ? "world" : partyName(to);
        return { from: partyName(from), to: toName, family, what, expected, answer, target };
      });
    }),
  );
}

function questionsOf(to: Party): { protocol: Target["protocol"]; port: number; what: string }[] {
  const served = to.kind === "outside" ? ([80] as const) : ports;
  return [
    ...(["tcp", "udp"] as const).flatMap((protocol) =>
      served.map((port) => ({ protocol, port, what: `${protocol}/${port}` })),
    ),
    { protocol: "icmp", port: 0, what: "icmp" },
  ];
}
