// All that pods which stay send, from the first event to the last: flows on every pair of nodes, what policy allows and
// denies, and connections through their service.
import type { Service } from "@tsilium/kube";
import { type HeldFlow, HeldFlows, type HoldOptions } from "../e2e/services/long-lived.ts";
import { nodeAddress, worldAddresses } from "../e2e/services/service-lab.ts";
import { echoPort } from "../e2e/services/service-objects.ts";
import { type Cast, families, home, ports, type Role, shop } from "./cast.ts";
import type { Cluster } from "./cluster.ts";
import { type Direction, Flow, type FlowPlan } from "./flow.ts";
import { Fresh, type FreshResult } from "./fresh.ts";
import { Knock, type KnockPlan, type KnockResult } from "./knocks.ts";

const protocols = ["udp", "tcp"] as const;
const knockEveryUs = 25_000;
const held = { count: 4, intervalMs: 100 } as const;

export type HeldResult = {
  readonly who: string;
  /** On whose way its packets are, whichever backend answers. */
  readonly nodes: readonly string[];
  readonly flows: readonly HeldFlow[];
};

export type TrafficResult = {
  readonly flows: readonly Direction[];
  readonly allowedKnocks: readonly KnockResult[];
  readonly forbiddenKnocks: readonly KnockResult[];
  readonly held: readonly HeldResult[];
  readonly fresh: readonly FreshResult[];
};

export class Traffic implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #flows: Flow[] = [];
  readonly #allowed: Knock[] = [];
  readonly #forbidden: Knock[] = [];
  readonly #held: (Pick<HeldResult, "who" | "nodes"> & { readonly flows: HeldFlows })[] = [];
  readonly #fresh: Fresh[] = [];

  /** Resolves when all of it flows. @param intervalUs between a flow's packets, in each direction */
  static async start(cluster: Cluster, cast: Cast, intervalUs: number): Promise<Traffic> {
    const traffic = new Traffic();
    try {
      await traffic.#start(cluster, cast, intervalUs);
      return traffic;
    } catch (error) {
      await traffic[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(cluster: Cluster, cast: Cast, intervalUs: number): Promise<void> {
    const add = async <T extends AsyncDisposable>(list: T[], starting: Promise<T>) =>
      void list.push(this.#stack.use(await starting));
    await all(flowPlans(cluster, cast, intervalUs), (plan) =>
      add(this.#flows, Flow.start(cluster, plan)),
    );
    const { allowed, forbidden } = knockPlans(cluster, cast);
    await all(allowed, (plan) => add(this.#allowed, Knock.start(cluster, plan)));
    await all(forbidden, (plan) => add(this.#forbidden, Knock.start(cluster, plan)));
    const service = await serviceOf(cluster);
    for (const node of cluster.nodes) {
      const from = cast.of("guest", node);
      const targets = service.clusterIps.map((address) => ({ address, port: 80 }));
      this.#fresh.push(this.#stack.use(new Fresh(cluster, { from, targets, intervalMs: 100 })));
    }
    await all(heldPlans(cluster, cast, service), async ({ who, options }) => {
      const flows = this.#stack.use(await HeldFlows.open(cluster.lab, options));
      this.#held.push({ who, nodes: cluster.nodes, flows });
    });
  }

  async end(): Promise<TrafficResult> {
    const fresh = await Promise.all(this.#fresh.map((each) => each.end()));
    const allowedKnocks = await Promise.all(this.#allowed.map((knock) => knock.end()));
    const forbiddenKnocks = await Promise.all(this.#forbidden.map((knock) => knock.end()));
    const heldFlows = await Promise.all(
      this.#held.map(async ({ flows, ...of }) => ({ ...of, flows: await flows.end() })),
    );
    const flows = (await Promise.all(this.#flows.map((flow) => flow.end()))).flat();
    return { flows, allowedKnocks, forbiddenKnocks, held: heldFlows, fresh };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Starts what is planned, all at once. Waits for the last, whatever the others do, so that none is forgotten. */
async function all<T>(plans: readonly T[], start: (plan: T) => Promise<void>): Promise<void> {
  const settled = await Promise.allSettled(plans.map(start));
  const failed = settled.find((each) => each.status === "rejected");
  if (failed) throw failed.reason;
}

/** Guests of every two nodes, and every guest with every server, on both families. */
function flowPlans({ nodes }: Cluster, cast: Cast, intervalUs: number): FlowPlan[] {
  const plans: Omit<FlowPlan, "port">[] = [];
  for (const [at, from] of nodes.entries())
    for (const [other, to] of nodes.entries()) {
      const client = cast.of("guest", from);
      for (const [which, family] of families.entries())
        for (const protocol of protocols) {
          const common = { client, family, protocol, intervalUs };
          if (other > at) plans.push({ ...common, server: cast.of("guest", to) });
          // Of what policy allows, TCP on one family and UDP on the other one.
          const isChosen = (protocol === "tcp") === ((at + other + which) % 2 === 0);
          if (isChosen) plans.push({ ...common, server: cast.of("server", to) });
        }
    }
  return plans.map((plan, at) => ({ ...plan, port: ports.flows + at }));
}

function knockPlans({ nodes }: Cluster, cast: Cast) {
  const allowed: KnockPlan[] = [];
  const forbidden: KnockPlan[] = [];
  for (const [at, from] of nodes.entries()) {
    const next = nodes[(at + 1) % nodes.length] as string;
    const plan = (role: Role, [to, where]: [Role, string], port: number): KnockPlan => ({
      from: cast.of(role, from),
      to: cast.of(to, where),
      family: at % 2 === 0 ? "ipv4" : "ipv6",
      port,
      intervalUs: knockEveryUs,
    });
    allowed.push(plan("guest", ["server", next], ports.knocks));
    forbidden.push(
      plan("stranger", ["server", next], ports.denied),
      plan("guest", ["server", from], ports.closed),
      plan("caged", ["guest", next], ports.caged),
    );
  }
  return { allowed, forbidden };
}

type ServiceFacts = { readonly clusterIps: readonly string[]; readonly nodePort: number };

async function serviceOf(cluster: Cluster): Promise<ServiceFacts> {
  const { items } = await cluster.lab.json<{ items: Service[] }>(
    "lab",
    "get",
    "services",
    "-n",
    home,
  );
  const found = items.find(({ metadata }) => metadata.name === shop.metadata.name);
  return {
    clusterIps: found?.spec.clusterIPs ?? [],
    nodePort: found?.spec.ports?.[0]?.nodePort ?? 0,
  };
}

/** Through the service's addresses, its node port, and to the world. */
function heldPlans(cluster: Cluster, cast: Cast, service: ServiceFacts) {
  const plans: { who: string; options: HoldOptions }[] = [];
  const plan = (who: string, options: HoldOptions) =>
    plans.push({ who: `${options.protocol} ${who}`, options: { ...held, ...options } });
  for (const [at, node] of cluster.nodes.entries()) {
    const { name: pod } = cast.of("guest", node);
    const from = { namespace: home, pod };
    for (const [which, address] of service.clusterIps.entries()) {
      const protocol = protocols[(at + which) % 2] as "udp" | "tcp";
      plan(`${pod} -> shop (${address})`, { from, protocol, address, port: 80 });
    }
  }
  const [first = "", ...others] = cluster.nodes;
  const last = others.at(-1) ?? first;
  plan(`world -> node port of ${first}`, {
    from: "world",
    protocol: "tcp",
    address: nodeAddress(first, 4),
    port: service.nodePort,
  });
  plan(`world -> node port of ${last}`, {
    from: "world",
    protocol: "tcp",
    address: nodeAddress(last, 6),
    port: service.nodePort,
  });
  const { name: pod } = cast.of("guest", first);
  for (const family of [4, 6] as const)
    plan(`${pod} -> world (IPv${family})`, {
      from: { namespace: home, pod },
      protocol: "tcp",
      address: worldAddresses[family],
      port: echoPort,
    });
  return plans;
}
