// What may happen to a cluster between two moments.
import type { Random } from "@tsilium/testkit";
import type { RawObject, World } from "../naive/index.ts";
import { groupNames, randomCidrGroup, randomService, serviceNames } from "./services.ts";
import { podLabels } from "./dictionary.ts";
import { randomPolicy, type Scenario, withObjects } from "./scenario.ts";
import { randomLabels, randomNamespace, randomNode, randomPod } from "./world.ts";

type Change = (random: Random, scenario: Scenario) => Scenario;

const changes: Readonly<Record<string, Change>> = {
  "a policy is applied": (random, scenario) => ({
    ...scenario,
    objects: withObjects(scenario.objects, [randomPolicy(random, scenario.world)]),
  }),
  "a policy is deleted": (random, scenario) => {
    const policies = scenario.objects.filter(({ kind }) => kind.endsWith("Policy"));
    const gone = policies.length > 0 ? random.pick(policies) : undefined;
    return { ...scenario, objects: scenario.objects.filter((object) => object !== gone) };
  },
  "a group changes": (random, scenario) => ({
    ...scenario,
    objects: withObjects(scenario.objects, [
      randomCidrGroup(random, scenario.world, random.pick(groupNames)),
    ]),
  }),
  "a group is deleted": (random, scenario) => {
    const gone = random.pick(groupNames);
    return without(
      scenario,
      ({ kind, metadata }) => kind === "CiliumCIDRGroup" && metadata.name === gone,
    );
  },
  "a service moves": (random, scenario) => {
    const name = random.pick(serviceNames);
    const { objects } = without(
      scenario,
      ({ metadata, kind }) =>
        (kind === "Service" && metadata.name === name) ||
        (kind === "EndpointSlice" && metadata.name === `${name}-1`),
    );
    return { ...scenario, objects: [...objects, ...randomService(random, scenario.world, name)] };
  },
  "a pod's labels change": (random, scenario) =>
    withPod(random, scenario, (pod) => ({
      ...pod,
      labels: randomLabels(random, podLabels),
      init: false,
    })),
  "a pod is replaced by another with its addresses": (random, { world, ...rest }) => {
    const number = random.below(world.pods.length);
    const pods = world.pods.filter(({ name }) => name !== `pod-${number}`);
    return { ...rest, world: { ...world, pods: [...pods, randomPod(random, world, number)] } };
  },
  "a pod goes": (random, { world, ...rest }) => {
    const gone = random.pick(world.pods);
    const pods = world.pods.filter((pod) => pod !== gone);
    // The last pod of a node stays: without one there is nothing to ask there.
    const isLast = !pods.some(({ node }) => node === gone.node);
    return { ...rest, world: isLast ? world : { ...world, pods } };
  },
  "a namespace's labels change": (random, { world, ...rest }) => {
    const { name } = random.pick(world.namespaces);
    const namespaces = world.namespaces.map((namespace) =>
      namespace.name === name ? randomNamespace(random, name) : namespace,
    );
    return { ...rest, world: { ...world, namespaces } };
  },
  "a node's labels change": (random, { world, ...rest }) => {
    const { name } = random.pick(world.nodes);
    const nodes = world.nodes.map((node) => (node.name === name ? randomNode(random, node) : node));
    return { ...rest, world: { ...world, nodes } };
  },
};

/** One change, and what it was. */
export function randomChange(
  random: Random,
  scenario: Scenario,
): { readonly name: string; readonly scenario: Scenario } {
  // Policies change most.
  const name = random.chance(0.4)
    ? random.pick(["a policy is applied", "a policy is deleted"])
    : random.pick(Object.keys(changes));
  return { name, scenario: (changes[name] as Change)(random, scenario) };
}

function without(scenario: Scenario, isGone: (object: RawObject) => boolean): Scenario {
  return { ...scenario, objects: scenario.objects.filter((object) => !isGone(object)) };
}

function withPod(
  random: Random,
  { world, ...rest }: Scenario,
  change: (pod: World["pods"][number]) => World["pods"][number],
): Scenario {
  const changed = random.pick(world.pods);
  const pods = world.pods.map((pod) => (pod === changed ? change(pod) : pod));
  return { ...rest, world: { ...world, pods } };
}
