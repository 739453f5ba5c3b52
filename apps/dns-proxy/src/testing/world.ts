// A client, a node that redirects its DNS to the proxy, and real servers behind it:
//
//   +-- client ------------+      +-- node: TPROXY, the proxy --+      +-- server -----------------+
//   | eth0 10.9.1.2/24     |-veth-| c0 10.9.1.1   s0 10.9.2.1   |-veth-| eth0 10.9.2.2 (unbound)   |
//   |      fd09:1::2/64    |      |    fd09:1::1     fd09:2::1  |      |      10.9.2.3 (dnsmasq)   |
//   +----------------------+      +-----------------------------+      |      fd09:2::2, fd09:2::3 |
//                                                                      +---------------------------+
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ControlClient } from "@tsilium/proxy/control/index.ts";
import type { DnsRule } from "@tsilium/policy/model.ts";
import type { ListenerRules, ProxyRecord, ResolvedName } from "@tsilium/proxy/model.ts";
import { type Netns, Topology } from "@tsilium/testkit";

export const unbound = { v4: "10.9.2.2", v6: "fd09:2::2" };
export const dnsmasq = { v4: "10.9.2.3", v6: "fd09:2::3" };
/** Has no server: tests make one. */
export const custom = { v4: "10.9.2.4", v6: "fd09:2::4" };
/** Has none either: whoever answers from it was not asked. */
export const stranger = { v4: "10.9.2.5", v6: "fd09:2::5" };
export const clientAddress = { v4: "10.9.1.2", v6: "fd09:1::2" };
export const listenerPort = 10_640;

const main = join(import.meta.dirname, "../main.ts");
const user = { uid: 65_522, gid: 65_522 };

export type WorldOptions = {
  readonly rejectCode?: "refused" | "nameError";
  readonly maxResponseDelayMs?: number;
  readonly limits?: Readonly<Record<string, number>>;
  /** Of the proxy; default: its source. */
  readonly program?: string;
};

export class World implements AsyncDisposable {
  readonly #topology = new Topology();
  readonly #options: WorldOptions;
  readonly folder: string = mkdtempSync(join(tmpdir(), "tsilium-dns-proxy-"));
  readonly client: Netns = this.#topology.netns("client");
  readonly node: Netns = this.#topology.netns("node");
  readonly server: Netns = this.#topology.netns("server");
  readonly records: ProxyRecord[] = [];
  readonly resolved: ResolvedName[] = [];
  /** What the agent does with answers that wait. */
  releases = true;
  proxy: ChildProcess | undefined;
  agent: ControlClient | undefined;
  output = "";

  constructor(options: WorldOptions = {}) {
    this.#options = options;
  }

  static async create(options: WorldOptions = {}): Promise<World> {
    const world = new World(options);
    try {
      world.#wire();
      await world.#redirect();
      await world.startProxy();
      world.startAgent();
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts the proxy as its starter would: as root. Resolves when it serves. */
  async startProxy(): Promise<void> {
    const { rejectCode, maxResponseDelayMs, limits, program = main } = this.#options;
    const config = {
      controlSocket: join(this.folder, "control.sock"),
      stateFolder: join(this.folder, "state"),
      user,
      ...(rejectCode ? { rejectCode } : {}),
      ...(maxResponseDelayMs === undefined ? {} : { maxResponseDelayMs }),
      ...(limits ? { limits } : {}),
    };
    const proxy = this.node.spawn(process.execPath, [program, JSON.stringify(config)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.proxy = proxy;
    const before = this.output.length;
    for (const stream of [proxy.stdout, proxy.stderr])
      stream?.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    await until(
      () => this.output.slice(before).includes("DNS proxy serves"),
      () => this.output,
    );
  }

  /** What the proxy counted. */
  async counters(): Promise<Readonly<Record<string, number>>> {
    return (await this.agent?.status())?.counters ?? {};
  }

  async killProxy(): Promise<void> {
    const proxy = this.proxy as ChildProcess;
    const gone = new Promise((resolve) => proxy.once("exit", resolve));
    proxy.kill("SIGKILL");
    await gone;
  }

  startAgent(): void {
    const agent: ControlClient = new ControlClient({
      path: join(this.folder, "control.sock"),
      reconnect: { firstMs: 10, maxMs: 50 },
      onRecords: (records) => this.records.push(...records),
      onResolved: (answers) => {
        this.resolved.push(...answers);
        const waiting = answers.map(({ id }) => id).filter((id) => id !== 0);
        if (this.releases) agent.release(waiting);
      },
    });
    agent.start();
    this.agent = agent;
  }

  async stopAgent(): Promise<void> {
    await this.agent?.[Symbol.asyncDispose]();
    this.agent = undefined;
  }

  /** Puts rules into force on the listener. */
  async allow(...rules: DnsRule[]): Promise<void> {
    const problems = await this.agent?.apply({
      whole: true,
      listeners: [rulesOf(listenerPort, rules)],
      removed: [],
    });
    if (problems?.length !== 0) throw new Error(JSON.stringify(problems));
  }

  /** dig's whole output; arguments as for dig. */
  async dig(...args: string[]): Promise<string> {
    const { stdout } = await this.client.exec("dig", ["+tries=1", "+time=3", ...args]);
    return stdout;
  }

  async startUnbound(): Promise<void> {
    const file = join(this.folder, "unbound.conf");
    const zoneFile = join(this.folder, "example.com.zone");
    writeFileSync(zoneFile, `${zone}\n`);
    writeFileSync(file, unboundConfig(zoneFile));
    this.server.spawn("unbound", ["-d", "-c", file], { stdio: "ignore" });
    await this.#answers(unbound.v4);
  }

  async startDnsmasq(): Promise<void> {
    const args = [
      "--no-daemon",
      "--no-resolv",
      "--no-hosts",
      "--conf-file=/dev/null",
      `--listen-address=${dnsmasq.v4}`,
      `--listen-address=${dnsmasq.v6}`,
      "--bind-interfaces",
      "--user=root",
      "--local-ttl=60",
      "--host-record=web.example.com,192.0.2.1,2001:db8::1",
      "--cname=alias.example.com,web.example.com",
      "--address=/example.com/",
    ];
    this.server.spawn("dnsmasq", args, { stdio: "ignore" });
    await this.#answers(dnsmasq.v4);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAgent();
    this.#topology[Symbol.dispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** From the server's own namespace, so past the proxy. */
  async #answers(address: string): Promise<void> {
    for (let tries = 0; tries < 50; tries++) {
      const args = ["+tries=1", "+time=1", "+short", "web.example.com", `@${address}`];
      const { stdout } = await this.server.exec("dig", args);
      if (stdout.includes("192.0.2.1")) return;
      await delay(50);
    }
    throw new Error(`the server at ${address} does not start`);
  }

  #wire(): void {
    const { client, node, server } = this;
    this.#topology.wire(
      { netns: client, device: "eth0", addresses: ["10.9.1.2/24", "10.9.1.3/24", "fd09:1::2/64"] },
      { netns: node, device: "c0", addresses: ["10.9.1.1/24", "fd09:1::1/64"] },
    );
    this.#topology.wire(
      { netns: node, device: "s0", addresses: ["10.9.2.1/24", "fd09:2::1/64"] },
      {
        netns: server,
        device: "eth0",
        addresses: [unbound, dnsmasq, custom, stranger]
          .flatMap(Object.values)
          .map((address: string) => address)
          .map((address) => (address.includes(":") ? `${address}/64` : `${address}/24`)),
      },
    );
  }

  async #redirect(): Promise<void> {
    await shell(
      this.client,
      "ip route add default via 10.9.1.1; ip route add default via fd09:1::1",
    );
    await shell(
      this.server,
      "ip route add default via 10.9.2.1; ip route add default via fd09:2::1",
    );
    await shell(this.node, redirection);
  }
}

async function shell(netns: Netns, script: string): Promise<void> {
  const { status, stderr } = await netns.exec("sh", ["-e", "-c", script]);
  if (status !== 0) throw new Error(stderr);
}

// What our datapath does by socket assignment, as the kernel's own TPROXY does it.
// (Link-local addresses: neighbours are asked for from these when packets are not the node's own.)
const redirection = `
  ip addr add fe80::1/64 dev c0 nodad
  ip addr add fe80::1/64 dev s0 nodad
  sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  for family in 4 6; do
    tables=iptables; to=127.0.0.1; any=0.0.0.0/0
    if [ $family = 6 ]; then tables=ip6tables; to=::1; any=::/0; fi
    ip -$family rule add fwmark 1 lookup 100
    ip -$family route add local $any dev lo table 100
    for protocol in udp tcp icmp ipv6-icmp; do
      $tables -w -t mangle -A PREROUTING -p $protocol -m socket --transparent -j MARK --set-mark 1 || true
    done
    for protocol in udp tcp; do
      $tables -w -t mangle -A PREROUTING -i c0 -p $protocol --dport 53 -j TPROXY --on-ip $to --on-port ${listenerPort} --tproxy-mark 1
    done
  done`;

export function rulesOf(port: number, rules: readonly DnsRule[], audit = false): ListenerRules {
  return {
    port,
    version: 1,
    ruleSet: {
      kind: "dns",
      direction: "egress",
      audit,
      denyRule: 99,
      rules: rules.map((match, index) => ({ rule: index + 1, match })),
    },
  };
}

export async function until(
  condition: () => boolean,
  what: () => string = () => "",
): Promise<void> {
  for (let waitedMs = 0; !condition(); waitedMs += 5) {
    if (waitedMs > 5_000) throw new Error(`it does not happen: ${what()}`);
    await delay(5);
  }
}

// Big answers, chains, many addresses.
const zone = [
  "$ORIGIN example.com.",
  "@ 60 SOA ns admin 1 60 60 60 60",
  "@ 60 NS ns",
  "web 60 A 192.0.2.1",
  "web 60 AAAA 2001:db8::1",
  "alias 30 CNAME web",
  "alias2 20 CNAME alias",
  ...Array.from({ length: 9 }, (_, index) => `one${index} 60 A 192.0.2.${100 + index}`),
  ...Array.from({ length: 60 }, (_, index) => `many 5 A 198.51.100.${index + 1}`),
  ...Array.from({ length: 30 }, (_, index) => `big 5 TXT "${"x".repeat(100)}${index}"`),
].join("\n");

const unboundConfig = (zoneFile: string) => `server:
  do-daemonize: no
  chroot: ""
  username: ""
  directory: "/"
  pidfile: ""
  use-syslog: no
  interface: ${unbound.v4}
  interface: ${unbound.v6}
  access-control: 0.0.0.0/0 allow
  access-control: ::0/0 allow
  max-udp-size: 8192
  edns-buffer-size: 8192
  rrset-roundrobin: no
  minimal-responses: yes
  local-zone: "test." static
  local-data: "other.test. 60 A 192.0.2.9"
auth-zone:
  name: "example.com."
  zonefile: "${zoneFile}"
  for-upstream: no
remote-control:
  control-enable: no
`;
