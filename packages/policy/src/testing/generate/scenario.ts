// A scenario: a world, the objects applied to it and the settings it is run with.
import type { Random } from "@tsilium/testkit";
import type { RawObject, Settings, World } from "../naive/index.ts";
import { randomCiliumPolicy, randomWidePolicy } from "./cilium.ts";
import { groupNames, randomCidrGroup, randomService, serviceNames } from "./services.ts";
import { randomClusterPolicy } from "./cluster.ts";
import { several } from "./dictionary.ts";
import { randomNetworkPolicy } from "./kubernetes.ts";
import { randomWorld } from "./world.ts";

export type Scenario = {
  readonly world: World;
  readonly objects: readonly RawObject[];
  readonly settings: Settings;
};

export function randomScenario(random: Random): Scenario {
  const world = randomWorld(random);
  return {
    world,
    objects: withObjects(
      [],
      [
        ...groupNames.map((name) => randomCidrGroup(random, world, name)),
        ...serviceNames.flatMap((name) => randomService(random, world, name)),
        ...several(random, [0, 9], () => randomPolicy(random, world)),
      ],
    ),
    settings: {
      enablePolicy: random.chance(0.9)
        ? "default"
        : random.pick(["always", "always", "never"] as const),
      allowLocalhost: random.chance(0.8),
      cidrMatchMode: random.pick([[], [], ["nodes"], ["pods"], ["nodes", "pods"]] as const),
      ipBlock: random.chance(0.8) ? "any" : "external",
      audit: random.chance(0.05),
    },
  };
}

/** Of any kind, under one of a few names: the same name again is a change of the same object. */
export function randomPolicy(random: Random, world: World): RawObject {
  const name = `policy-${random.below(8)}`;
  const policy = random.pick([
    randomNetworkPolicy,
    randomCiliumPolicy,
    randomCiliumPolicy,
    randomWidePolicy,
    randomClusterPolicy,
  ])(random, world, name);
  if (!random.chance(0.12)) return policy;
  const annotations = { "policy.tsilium.io/enforcement": random.pick(["audit", "enforce"]) };
  return { ...policy, metadata: { ...policy.metadata, annotations } };
}

/** The objects, with these applied: of the same kind and name there is one. */
export function withObjects(
  objects: readonly RawObject[],
  applied: readonly RawObject[],
): readonly RawObject[] {
  const all = new Map([...objects, ...applied].map((object) => [keyOf(object), object]));
  return [...all.values()];
}

/** "CiliumNetworkPolicy/red/policy-1" */
export function keyOf({ kind, metadata }: RawObject): string {
  return `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;
}
