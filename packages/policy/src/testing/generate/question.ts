// What can be asked of a scenario.
import type { Random } from "@tsilium/testkit";
import {
  addressOf,
  partiesOf,
  type Party,
  type Protocol,
  type Question,
  type World,
} from "../naive/index.ts";
import {
  apiServerAddresses,
  icmpTypes,
  outsideAddresses,
  portNumbers,
  portRanges,
  webPort,
} from "./dictionary.ts";
import type { Scenario } from "./scenario.ts";
import { randomPod } from "./world.ts";

/** Everybody whom a question can be about. */
function everybody({ world }: Scenario): Party[] {
  const outside = [...outsideAddresses, ...apiServerAddresses].filter((address) =>
    world.families.includes(address.includes(":") ? 6 : 4),
  );
  return partiesOf(world, outside);
}

/** Edges of every port and range that a policy can name, and their neighbours. */
const interestingPorts: readonly number[] = [
  ...new Set(
    [0, ...portNumbers, ...portRanges.flat()].flatMap((port) => [port - 1, port, port + 1]),
  ),
].filter((port) => port >= 0 && port <= 65_535);

/** One end is a pod of this node; the other can be anybody but itself. */
export function randomQuestion(random: Random, scenario: Scenario, node: string): Question {
  for (;;) {
    const parties = everybody(scenario);
    const local = parties.filter((party) => party.kind === "pod" && party.pod.node === node);
    if (local.length === 0) throw new Error(`no pod on ${node}`);
    const [mine, other] = [random.pick(local), random.pick(parties)];
    const [from, to] = random.chance(0.5) ? [mine, other] : [other, mine];
    const family = random.pick(scenario.world.families);
    const isWeb = random.chance(0.3);
    const protocol = isWeb ? "TCP" : random.pick<Protocol>(["TCP", "TCP", "UDP", "SCTP", "ICMP"]);
    const ports = random.chance(0.5) ? portNumbers : interestingPorts;
    const others = protocol === "ICMP" ? icmpTypes[family] : ports;
    const port = isWeb ? webPort : random.pick(others);
    if (mine !== other && addressOf(other, family) !== undefined)
      return { from, to, family, protocol, port };
  }
}

/** A pod that nobody has heard of, in the world with it, and a question between it and a pod of this node. */
export function randomStranger(
  random: Random,
  scenario: Scenario,
  node: string,
): { readonly world: World; readonly question: Question } {
  // Of another node, with an address that no pod has had.
  const stranger = randomPod(random, scenario.world, 54);
  const world = { ...scenario.world, pods: [...scenario.world.pods, stranger] };
  const question = randomQuestion(random, { ...scenario, world }, node);
  const party: Party = { kind: "pod", pod: stranger };
  const isMine = question.from.kind === "pod" && question.from.pod.node === node;
  return { world, question: { ...question, [isMine ? "to" : "from"]: party } };
}
