// A client, a node with the proxy, and a Kafka broker, with real redirection (TPROXY) in the middle:
//
//   +-- client --------+      +-- node --------------------+      +-- broker --------+
//   | 10.1.0.2 fd01::2 |------| 10.1.0.1  proxy  10.2.0.1  |------| 10.2.0.2 fd02::2 |
//   +------------------+      +----------------------------+      +------------------+
//
// The broker is librdkafka's mock cluster, the clients are kcat.
import { type ChildProcess, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import type { KafkaRule } from "@tsilium/policy/model.ts";
import { Address } from "@tsilium/net";
import { ControlClient } from "@tsilium/proxy/control/index.ts";
import type { ProxyRecord } from "@tsilium/proxy/model.ts";
import {
  bind,
  AF_INET,
  AF_INET6,
  connect,
  SOCK_STREAM,
  sockaddrIn,
  sockaddrIn6,
  socket,
} from "@tsilium/syscall";
import { type Netns, Topology } from "@tsilium/testkit";
import { ruleSetOf } from "./rules.ts";

export type Family = 4 | 6;
export const brokerAddress = { 4: "10.2.0.2", 6: "fd02::2" } as const;
export const clientAddress = { 4: "10.1.0.2", 6: "fd01::2" } as const;
export const brokerPort = 9092;
/** Where redirected connections go; the second is for rules that connections are moved to. */
export const listenerPort = 10_896;
export const otherPort = 10_897;
/** What one client's address may have of them. */
export const connectionsOfClient = 16;
export const user = { uid: 65_523, gid: 65_523 };

export class World implements AsyncDisposable {
  readonly #topology = new Topology();
  readonly folder = mkdtempSync(join(tmpdir(), "tsi-kafka-"));
  readonly client: Netns;
  readonly node: Netns;
  readonly broker: Netns;
  readonly records: ProxyRecord[] = [];
  #control: ControlClient | undefined;
  #proxy: ChildProcess | undefined;
  #version = 0;

  constructor() {
    this.client = this.#topology.netns("client");
    this.node = this.#topology.netns("node");
    this.broker = this.#topology.netns("broker");
  }

  /** Wires, redirection, and a broker with these topics in each family. */
  async start(topics: readonly string[]): Promise<void> {
    this.#wire();
    for (const command of ["iptables", "ip6tables"]) await this.#redirect(command);
    const mock = join(this.folder, "kafka-mock");
    const source = join(import.meta.dirname, "../../../../tests/native/kafka/kafka-mock.c");
    execFileSync("cc", ["-O1", "-o", mock, source, "-rdynamic", "-lrdkafka", "-ldl"]);
    for (const family of [4, 6] as const) {
      const args = [brokerAddress[family], String(brokerPort), "2", ...topics];
      const process = this.broker.spawn(mock, args, { stdio: ["pipe", "pipe", "ignore"] });
      await once(process.stdout as NonNullable<ChildProcess["stdout"]>, "data");
    }
  }

  /** The proxy as the agent starts it. */
  async startProxy(): Promise<void> {
    const config = {
      direction: "egress",
      controlSocket: join(this.folder, "control.sock"),
      stateFolder: join(this.folder, "state"),
      user,
      maxConnections: 4 * connectionsOfClient,
    };
    const main = join(import.meta.dirname, "../main.ts");
    this.#proxy = this.node.spawn(process.execPath, [main, JSON.stringify(config)], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    await this.#listening();
  }

  get proxyPid(): number {
    return this.#proxy?.pid ?? 0;
  }

  /** Its process dies at once, and nobody tells the next one anything. */
  async killProxy(): Promise<void> {
    await this.#control?.[Symbol.asyncDispose]();
    this.#control = undefined;
    const ended = this.#proxy && once(this.#proxy, "exit");
    this.#proxy?.kill("SIGKILL");
    await ended;
  }

  get control(): ControlClient {
    this.#control ??= new ControlClient({
      path: join(this.folder, "control.sock"),
      onRecords: (records) => this.records.push(...records),
    });
    this.#control.start();
    return this.#control;
  }

  /** Resolves when they hold. */
  async apply(rules: readonly Partial<KafkaRule>[], options: ApplyOptions = {}): Promise<void> {
    const { port = listenerPort, audit = false } = options;
    const ruleSet = ruleSetOf(rules, { audit });
    const listeners = [{ port, version: ++this.#version, ruleSet }];
    const problems = await this.control.apply({ whole: false, listeners, removed: [] });
    if (problems.length > 0) throw new Error(JSON.stringify(problems));
  }

  /** kcat to its end, in the client's namespace. */
  async kcat(family: Family, args: readonly string[], input = ""): Promise<string> {
    const child = this.startKcat(family, args);
    child.stdin?.end(input);
    const [out, err] = await Promise.all([
      text(child.stdout as NonNullable<ChildProcess["stdout"]>),
      text(child.stderr as NonNullable<ChildProcess["stderr"]>),
    ]);
    return out + err;
  }

  startKcat(family: Family, args: readonly string[]): ChildProcess {
    const host = family === 4 ? brokerAddress[4] : `[${brokerAddress[6]}]`;
    const common = ["-b", `${host}:${brokerPort}`, "-m", "3", "-X", "message.timeout.ms=4000"];
    return this.client.spawn("timeout", ["10", "kcat", ...common, ...args], { stdio: "pipe" });
  }

  /** A connection to the broker of the client's own making. */
  connect(family: Family, port = brokerPort, from = 0): Socket {
    const { bytes } = Address.parse(brokerAddress[family]);
    const sockaddr = family === 4 ? sockaddrIn : sockaddrIn6;
    const fd = this.client.run(() => socket(family === 4 ? AF_INET : AF_INET6, SOCK_STREAM));
    bind(fd, sockaddr(new Uint8Array(bytes.length), from));
    connect(fd, sockaddr(bytes, port));
    return new Socket({ fd, readable: true, writable: true });
  }

  /** Records since the last call, as words; waits for those on their way. */
  async takeRecords(): Promise<string[]> {
    await delay(60);
    return this.records.splice(0).map(wordsOf);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.killProxy();
    this.#topology[Symbol.dispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #wire(): void {
    this.#topology.wire(
      { netns: this.client, device: "eth0", addresses: ["10.1.0.2/24", "fd01::2/64"] },
      { netns: this.node, device: "client", addresses: ["10.1.0.1/24", "fd01::1/64"] },
    );
    this.#topology.wire(
      { netns: this.broker, device: "eth0", addresses: ["10.2.0.2/24", "fd02::2/64"] },
      // Neighbours are asked for from a link-local address where the sender's own is not the node's.
      {
        netns: this.node,
        device: "broker",
        addresses: ["10.2.0.1/24", "fd02::1/64", "fe80::1/64"],
      },
    );
    for (const setting of ["ipv4/ip_forward", "ipv6/conf/all/forwarding"])
      this.node.sysctl(setting, 1);
    for (const device of ["all", "client", "broker"])
      this.node.sysctl(`ipv4/conf/${device}/rp_filter`, 0);
  }

  async #redirect(command: "iptables" | "ip6tables" | (string & {})): Promise<void> {
    const isV6 = command === "ip6tables";
    const mangle = ["-t", "mangle", "-A", "PREROUTING", "-p", "tcp"];
    const ip = isV6 ? "-6" : "-4";
    const via = isV6 ? ["fd01::1", "fd02::1"] : ["10.1.0.1", "10.2.0.1"];
    await run(this.node, command, [
      ...mangle,
      "-i",
      "client",
      "--dport",
      String(brokerPort),
      "-j",
      "TPROXY",
      "--on-ip",
      isV6 ? "::1" : "127.0.0.1",
      "--on-port",
      String(listenerPort),
      "--tproxy-mark",
      "1",
    ]);
    // What the broker answers is addressed to the client, and belongs to the proxy's socket.
    await run(this.node, command, [
      ...mangle,
      "-i",
      "broker",
      "-m",
      "socket",
      "--transparent",
      "-j",
      "MARK",
      "--set-mark",
      "1",
    ]);
    await run(this.node, "ip", [ip, "rule", "add", "fwmark", "1", "lookup", "100"]);
    const everything = isV6 ? "::/0" : "0.0.0.0/0";
    await run(this.node, "ip", [
      ip,
      "route",
      "add",
      "local",
      everything,
      "dev",
      "lo",
      "table",
      "100",
    ]);
    await run(this.client, "ip", [ip, "route", "add", "default", "via", via[0] as string]);
    await run(this.broker, "ip", [ip, "route", "add", "default", "via", via[1] as string]);
  }

  async #listening(): Promise<void> {
    while (!this.control.hello) await delay(20);
  }
}

export type ApplyOptions = { readonly port?: number; readonly audit?: boolean };

function wordsOf({ verdict, rule, l7 }: ProxyRecord): string {
  if (l7.kind !== "kafka") return l7.kind;
  const type = l7.type === 1 ? "request" : "response";
  const { apiKey, errorCode, topic } = l7;
  return [verdict, type, apiKey, topic || "-", `error=${errorCode}`, `rule=${rule}`].join(" ");
}

async function run(netns: Netns, command: string, args: readonly string[]): Promise<void> {
  const { status, stderr } = await netns.exec(command, args);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
}
