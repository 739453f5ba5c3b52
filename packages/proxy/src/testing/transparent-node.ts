// A node as the datapath makes it, with real TPROXY in place of our programs: packets of the client's to `ports` are the
// listener's, whatever address they are for, and answers to what an engine opened in the client's name are the engine's.
//
//   client 10.1.0.2, fd01::2 --- node (listeners on 127.0.0.1 and ::1) --- server 10.2.0.2, fd02::2
import { Netns, Topology } from "@tsilium/testkit";

export type TransparentNode = Disposable & {
  readonly client: Netns;
  readonly node: Netns;
  readonly server: Netns;
};

/** @param redirects server's port -> listener's */
export async function transparentNode(
  redirects: ReadonlyMap<number, number>,
): Promise<TransparentNode> {
  const topology = new Topology();
  try {
    const [client, node, server] = ["client", "node", "server"].map((name) =>
      topology.netns(name),
    ) as [Netns, Netns, Netns];
    // Link-local addresses: the node asks for neighbours from them when a packet's source is not its own.
    const wire = (end: Netns, device: string, network: number) =>
      topology.wire(
        {
          netns: end,
          device: "eth0",
          addresses: [`10.${network}.0.2/24`, `fd0${network}::2/64`, "fe80::2/64"],
        },
        {
          netns: node,
          device,
          addresses: [`10.${network}.0.1/24`, `fd0${network}::1/64`, "fe80::1/64"],
        },
      );
    wire(client, "client", 1);
    wire(server, "server", 2);
    for (const [end, network] of [
      [client, 1],
      [server, 2],
    ] as const) {
      await run(
        end,
        `ip route add default via 10.${network}.0.1; ip -6 route add default via fd0${network}::1`,
      );
    }
    node.sysctl("ipv4/ip_forward", 1);
    node.sysctl("ipv6/conf/all/forwarding", 1);
    const tables = [
      ["iptables", "127.0.0.1"],
      ["ip6tables", "::1"],
    ] as const;
    for (const [tool, local] of tables) {
      const rule = (text: string) => `${tool} -w -t mangle -A PREROUTING -p tcp ${text}`;
      await run(
        node,
        [
          rule("-m socket --transparent -j MARK --set-mark 1"),
          ...[...redirects].map(([port, listener]) =>
            rule(
              `-i client --dport ${port} -j TPROXY --on-ip ${local} --on-port ${listener} --tproxy-mark 1`,
            ),
          ),
        ].join("; "),
      );
    }
    await run(
      node,
      "ip rule add fwmark 1 lookup 100; ip route add local 0.0.0.0/0 dev lo table 100; ip -6 rule add fwmark 1 lookup 100; ip -6 route add local ::/0 dev lo table 100",
    );
    return { client, node, server, [Symbol.dispose]: () => topology[Symbol.dispose]() };
  } catch (error) {
    topology[Symbol.dispose]();
    throw error;
  }
}

async function run(netns: Netns, script: string): Promise<void> {
  const { status, stderr } = await netns.exec("sh", ["-ec", script]);
  if (status !== 0) throw new Error(`${script}: ${stderr}`);
}
