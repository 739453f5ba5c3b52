// A real HAProxy between a client and a server, as on a node: connections get to it by TPROXY, and it connects on from the
// client's address.
//
//   client 10.7.1.2 ---- 10.7.1.1 node 10.7.2.1 ---- 10.7.2.2 server
//          fd07:1::2             HAProxy             fd07:2::2
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import http2 from "node:http2";
import { type AddressInfo, type Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Address } from "@tsilium/net";
import type { HttpRule, HttpRuleSet, RuleSet } from "@tsilium/policy/model.ts";
import {
  AF_INET,
  AF_INET6,
  connect,
  isSyscallError,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  sockaddrIn,
  sockaddrIn6,
  socket,
} from "@tsilium/syscall";
import { type Netns, Topology } from "@tsilium/testkit";
import { launch, proxyUsers, stop, findStarted } from "../../launch/index.ts";
import type { ListenerRules, ProxyRecord, SecretStore } from "../../model.ts";
import { HaproxyEngine, type HaproxyOptions } from "../index.ts";

export const addresses = {
  client: { 4: "10.7.1.2", 6: "fd07:1::2" },
  otherClient: { 4: "10.7.1.3", 6: "fd07:1::3" },
  server: { 4: "10.7.2.2", 6: "fd07:2::2" },
  otherServer: { 4: "10.7.2.3", 6: "fd07:2::3" },
} as const;

/** Everything absent. */
export const noTls = { terminating: undefined, originating: undefined } as const;

export class World implements AsyncDisposable {
  readonly topology = new Topology();
  readonly client: Netns;
  readonly node: Netns;
  readonly server: Netns;
  readonly folder: string;
  readonly records: ProxyRecord[] = [];
  readonly secrets = new TestSecrets();
  engine: HaproxyEngine;
  lostLines = 0;
  #versions = 0;
  readonly #servers: Server[] = [];
  readonly #options: Partial<HaproxyOptions>;

  private constructor(options: Partial<HaproxyOptions>) {
    this.client = this.topology.netns("client");
    this.node = this.topology.netns("node");
    this.server = this.topology.netns("server");
    this.folder = mkdtempSync(join(tmpdir(), "tsilium-haproxy-"));
    chmodSync(this.folder, 0o711);
    this.#options = options;
    this.engine = this.newEngine();
  }

  /** With an engine that runs and has no rules yet. */
  static async make(options: Partial<HaproxyOptions> = {}): Promise<World> {
    const world = new World(options);
    try {
      await world.#connect();
      await world.engine.start(AbortSignal.timeout(20_000));
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  newEngine(options: Partial<HaproxyOptions> = {}): HaproxyEngine {
    return new HaproxyEngine({
      direction: "egress",
      command: "/usr/sbin/haproxy",
      runDir: this.folder,
      user: proxyUsers.engine.egress,
      maxConnections: 2_000,
      secrets: this.secrets,
      onRecords: (records, lost = 0) => {
        this.records.push(...records);
        this.lostLines += lost;
      },
      // It is started before anything is waited for.
      launch: (what) => this.node.run(() => ({ started: launch(what) })).started,
      ...this.#options,
      ...options,
    });
  }

  /** TCP to this port of the server goes to this listener. */
  async redirect(port: number, listener: number): Promise<void> {
    for (const family of [4, 6] as const) {
      await this.nodeCommand(
        family === 4 ? "iptables" : "ip6tables",
        ..."-t mangle -A PREROUTING -i c0 -p tcp --dport".split(" "),
        String(port),
        ..."-j TPROXY --tproxy-mark 1 --on-ip".split(" "),
        family === 4 ? "127.0.0.1" : "::1",
        "--on-port",
        String(listener),
      );
    }
  }

  /** Brings these rules into force beside those that are. */
  async set(port: number, ruleSet: RuleSet): Promise<void> {
    const problems = await this.apply([{ port, version: ++this.#versions, ruleSet }]);
    if (problems.length > 0) throw new Error(JSON.stringify(problems));
  }

  async apply(listeners: readonly ListenerRules[], whole = false) {
    return this.engine.apply({ kind: "apply", sequence: 1, whole, listeners, removed: [] });
  }

  /** An HTTP/1 server that says what it got, in the server's namespace. */
  http1(port: number, handler: http.RequestListener = say): http.Server {
    const server = http.createServer(handler);
    server.keepAliveTimeout = 60_000;
    return this.listen(server, port);
  }

  /** The same of HTTP/2 without TLS. */
  http2(
    port: number,
    handler: (q: http2.Http2ServerRequest, r: http2.Http2ServerResponse) => void = say as never,
  ) {
    return this.listen(http2.createServer({}, handler), port);
  }

  listen<S extends { listen(port: number): unknown }>(server: S, port: number): S {
    this.server.run(() => server.listen(port));
    this.#servers.push(server as unknown as Server);
    return server;
  }

  /** A server of the test's own, outside of the namespaces. */
  closeLater(server: Server): void {
    this.#servers.push(server);
  }

  /** A connection from the client; not yet established. */
  connect(port: number, to: string = addresses.server[4]): Socket {
    const address = Address.parse(to);
    return this.client.run(() => {
      const fd = socket(address.family === 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK);
      const name = address.family === 4 ? sockaddrIn : sockaddrIn6;
      try {
        connect(fd, name(address.bytes, port));
      } catch (error) {
        if (!isSyscallError(error, "EINPROGRESS")) throw error;
      }
      return new Socket({ fd, readable: true, writable: true });
    });
  }

  /** Sends bytes and gives all that comes until the other side ends or is silent for so long. */
  async raw(port: number, bytes: string | Buffer, silenceMs = 300): Promise<string> {
    const connection = this.connect(port);
    return new Promise((resolve) => {
      let text = "";
      const finish = () => {
        connection.destroy();
        resolve(text);
      };
      connection.setEncoding("latin1");
      connection.setTimeout(silenceMs, finish);
      connection.on("data", (chunk: string) => (text += chunk));
      connection.on("end", finish);
      connection.on("error", finish);
      connection.write(bytes);
    });
  }

  /** curl in the client's namespace; its output, and "EXIT n" where it failed. */
  async curl(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.client.exec("curl", [
      "-sS",
      "-m",
      "5",
      "-g",
      ...args,
    ]);
    return status === 0 ? stdout : `EXIT ${status} ${stdout}${stderr}`;
  }

  /** Status alone. */
  async code(url: string, ...args: string[]): Promise<string> {
    const body = await this.curl("-o", "/dev/null", "-w", "%{http_code}", ...args, url);
    return body.slice(-3);
  }

  async nodeCommand(command: string, ...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.node.exec(command, args);
    if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** (Link-local addresses: neighbours are asked for from them when a packet's source is none of the node's.) */
  async #connect(): Promise<void> {
    const { topology, client, node, server } = this;
    topology.wire(
      {
        netns: client,
        device: "eth0",
        addresses: ["10.7.1.2/24", "10.7.1.3/24", "fd07:1::3/64", "fd07:1::2/64"],
      },
      { netns: node, device: "c0", addresses: ["10.7.1.1/24", "fd07:1::1/64", "fe80::1/64"] },
    );
    topology.wire(
      {
        netns: server,
        device: "eth0",
        addresses: ["10.7.2.2/24", "10.7.2.3/24", "fd07:2::2/64", "fd07:2::3/64"],
      },
      { netns: node, device: "s0", addresses: ["10.7.2.1/24", "fd07:2::1/64", "fe80::1/64"] },
    );
    await client.exec("ip", ["route", "add", "default", "via", "10.7.1.1"]);
    await client.exec("ip", ["-6", "route", "add", "default", "via", "fd07:1::1"]);
    await server.exec("ip", ["route", "add", "default", "via", "10.7.2.1"]);
    await server.exec("ip", ["-6", "route", "add", "default", "via", "fd07:2::1"]);
    for (const device of ["all", "c0", "s0"]) node.sysctl(`ipv4/conf/${device}/rp_filter`, 0);
    node.sysctl("ipv4/ip_forward", 1);
    node.sysctl("ipv6/conf/all/forwarding", 1);
    for (const family of ["-4", "-6"]) {
      const all = family === "-4" ? "0.0.0.0/0" : "::/0";
      await this.nodeCommand("ip", family, ..."rule add fwmark 1 lookup 100".split(" "));
      await this.nodeCommand(
        "ip",
        family,
        "route",
        "add",
        "local",
        all,
        ..."dev lo table 100".split(" "),
      );
    }
    for (const tables of ["iptables", "ip6tables"])
      for (const verdict of ["MARK --set-mark 1", "ACCEPT"])
        await this.nodeCommand(
          tables,
          ...`-t mangle -A PREROUTING -p tcp -m socket --transparent -j ${verdict}`.split(" "),
        );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine.shutDown().catch(() => undefined);
    const left = findStarted(join(this.folder, "proxy/haproxy-egress.pid"));
    if (left) await stop(left, { signal: "SIGKILL" });
    for (const server of this.#servers) {
      (server as { closeAllConnections?: () => void }).closeAllConnections?.();
      server.close();
    }
    this.topology[Symbol.dispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What a request was, as its server saw it. */
export type Said = {
  readonly version: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly rawHeaders: readonly string[];
  readonly body: string;
  readonly client: { readonly address: string; readonly port: number };
};

function say(request: IncomingMessage, response: ServerResponse): void {
  let body = "";
  request.setEncoding("latin1");
  request.on("data", (chunk: string) => (body += chunk));
  request.on("end", () => {
    const { httpVersion: version, method, url, headers, rawHeaders, socket: from } = request;
    const client = {
      address: (from.remoteAddress ?? "").replace("::ffff:", ""),
      port: from.remotePort,
    };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ version, method, url, headers, rawHeaders, body, client }));
  });
}

export class TestSecrets implements SecretStore {
  readonly #data = new Map<string, Record<string, string>>();
  readonly #listeners = new Set<(namespace: string, name: string) => void>();

  get(namespace: string, name: string) {
    return this.#data.get(`${namespace}/${name}`);
  }

  onChange(listener: (namespace: string, name: string) => void) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Texts by key; undefined: the secret goes. */
  put(namespace: string, name: string, data: Readonly<Record<string, string>> | undefined): void {
    const encoded =
      data &&
      Object.fromEntries(
        Object.entries(data).map(([key, text]) => [
          key,
          Buffer.from(text, "latin1").toString("base64"),
        ]),
      );
    if (encoded) this.#data.set(`${namespace}/${name}`, encoded);
    else this.#data.delete(`${namespace}/${name}`);
    for (const listener of this.#listeners) listener(namespace, name);
  }
}

/** Rules with what they leave out, numbered from 1; what none allows is denied by number 99. */
export function httpRules(
  rules: readonly Partial<HttpRule>[],
  more: Partial<HttpRuleSet> = {},
): HttpRuleSet {
  return {
    kind: "http",
    direction: "egress",
    audit: false,
    denyRule: 99,
    tls: noTls,
    serverNames: undefined,
    rules: rules.map((match, index) => ({
      rule: index + 1,
      match: { path: undefined, method: undefined, host: undefined, headers: [], ...match },
    })),
    ...more,
  };
}

/** Resolves as soon as `check` gives something. */
export async function eventually<T>(
  check: () => T | undefined | false,
  patienceMs = 5_000,
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const found = check();
    if (found) return found;
    if (performance.now() > deadline) throw new Error(`not within ${patienceMs} ms: ${check}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export type { AddressInfo };
