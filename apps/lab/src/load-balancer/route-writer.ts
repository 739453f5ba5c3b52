// Routes to load balancers' addresses in the kernel: the world sends them to the fabric, the fabric to a node.
import { Address, type Prefix } from "@tsilium/net";
import { Rtnl } from "@tsilium/netlink";
import { type LabLayout, type NodeLayout, worldGateways } from "../layout.ts";
import type { LoadBalancerRoute } from "./decide.ts";

export class RouteWriter implements Disposable {
  readonly #fabric: Rtnl;
  readonly #world: Rtnl;
  readonly #nodes: ReadonlyMap<string, NodeLayout>;

  private constructor(fabric: Rtnl, world: Rtnl, nodes: readonly NodeLayout[]) {
    this.#fabric = fabric;
    this.#world = world;
    this.#nodes = new Map(nodes.map((node) => [node.name, node]));
  }

  /** Keeps both namespaces alive until disposed of. @throws SyscallError */
  static open(lab: LabLayout, nodes: readonly NodeLayout[]): RouteWriter {
    using open = new DisposableStack();
    const fabric = open.use(Rtnl.open({ netns: lab.fabricNetns }));
    const world = open.use(Rtnl.open({ netns: lab.worldNetns }));
    open.move();
    return new RouteWriter(fabric, world, nodes);
  }

  /** Idempotent: puts a route or moves it to its node. @throws NetlinkError */
  put({ prefix, node }: LoadBalancerRoute): void {
    const layout = this.#nodes.get(node);
    if (!layout) return;
    const hop = prefix.family === 4 ? layout.ipv4 : layout.ipv6;
    // The fabric first: what the world sends must never find no way there.
    this.#fabric.routes.replace({
      destination: prefix,
      gateway: Address.parse(hop),
      device: "br0",
    });
    this.#world.routes.replace({
      destination: prefix,
      gateway: Address.parse(prefix.family === 4 ? worldGateways.ipv4 : worldGateways.ipv6),
      device: "eth0",
    });
  }

  /** What is gone already is as good as removed. @throws NetlinkError */
  remove(prefix: Prefix): void {
    this.#world.routes.delete({ destination: prefix, device: "eth0" });
    this.#fabric.routes.delete({ destination: prefix, device: "br0" });
  }

  [Symbol.dispose](): void {
    this.#world[Symbol.dispose]();
    this.#fabric[Symbol.dispose]();
  }
}
