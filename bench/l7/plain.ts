// HAProxy and nginx as anybody would set them up as transparent proxies, without us: a node that routes between a client
// and a server leads connections into them by TPROXY.
//
//   +-- client --------+      +-- node ---------------+      +-- server --------+
//   | 10.1.0.2         |------| 10.1.0.1  10.2.0.1    |------| 10.2.0.2  nginx  |
//   +------------------+      | 127.0.0.1:P engine    |      +------------------+
//                             +-----------------------+
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  AF_INET,
  bind,
  close,
  IP_TRANSPARENT,
  IPPROTO_IP,
  listen,
  setsockopt,
  SOCK_STREAM,
  sockaddrIn,
  socket,
} from "@tsilium/syscall";
import { type Netns, Topology } from "@tsilium/testkit";
import type { HttpVariant } from "./http-variant.ts";
import { answering, cpu, ended, originPort, startOrigin, temporaryFolders } from "./wrk.ts";

const serverAddress = "10.2.0.2";
const enginePort = 15_001;
const engines = ["haproxy", "nginx"] as const;
type Engine = (typeof engines)[number];

/** Routing alone, and both engines: each in namespaces of its own. */
export class PlainProxies implements AsyncDisposable {
  readonly variants: HttpVariant[] = [];
  readonly #parts = new AsyncDisposableStack();

  /** Resolves when all of them answer. */
  static async start(): Promise<PlainProxies> {
    const plain = new PlainProxies();
    try {
      plain.variants.push(await plain.#make("routed, no proxy", undefined));
      for (const engine of engines)
        plain.variants.push(await plain.#make(`${engine}, plain and transparent`, engine));
      return plain;
    } catch (error) {
      await plain[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }

  async #make(name: string, engine: Engine | undefined): Promise<HttpVariant> {
    const folder = mkdtempSync(join(tmpdir(), "tsi-bench-l7-"));
    this.#parts.defer(() => rmSync(folder, { recursive: true, force: true }));
    const topology = this.#parts.use(new Topology());
    const [client, node, server] = ["client", "node", "server"].map((label) =>
      topology.netns(label),
    ) as [Netns, Netns, Netns];
    await wire(topology, { client, node, server });
    const origin = await startOrigin(server.path, folder);
    this.#parts.defer(() => ended(origin, "SIGQUIT"));
    const url = `http://${serverAddress}:${originPort}/`;
    const pids = engine ? await this.#startEngine(engine, node, folder) : [];
    await answering(client.path, url);
    return { name, clientNetns: client.path, url, enginePids: () => Promise.resolve(pids) };
  }

  async #startEngine(engine: Engine, node: Netns, folder: string): Promise<number[]> {
    await redirect(node);
    const file = join(folder, `${engine}.conf`);
    const pidFile = join(folder, `${engine}.pid`);
    const config = engine === "haproxy" ? haproxyConfig() : nginxConfig(folder, pidFile);
    writeFileSync(file, config);
    const child = node.run(() => (engine === "haproxy" ? startHaproxy(file) : startNginx(file)));
    this.#parts.defer(() => ended(child, engine === "haproxy" ? "SIGKILL" : "SIGQUIT"));
    await new Promise((resolve) => setTimeout(resolve, 500));
    return engine === "haproxy" ? [child.pid as number] : workersOf(pidFile);
  }
}

async function wire(
  topology: Topology,
  { client, node, server }: { client: Netns; node: Netns; server: Netns },
): Promise<void> {
  topology.wire(
    { netns: client, device: "eth0", addresses: ["10.1.0.2/24"] },
    { netns: node, device: "client", addresses: ["10.1.0.1/24"] },
  );
  topology.wire(
    { netns: server, device: "eth0", addresses: [`${serverAddress}/24`] },
    { netns: node, device: "server", addresses: ["10.2.0.1/24"] },
  );
  node.sysctl("ipv4/ip_forward", 1);
  for (const device of ["all", "client", "server"]) node.sysctl(`ipv4/conf/${device}/rp_filter`, 0);
  await succeed(client, "ip", ["route", "add", "default", "via", "10.1.0.1"]);
  await succeed(server, "ip", ["route", "add", "default", "via", "10.2.0.1"]);
}

async function redirect(node: Netns): Promise<void> {
  const mangle = ["-t", "mangle", "-A", "PREROUTING", "-p", "tcp"];
  const to = ["--on-ip", "127.0.0.1", "--on-port", String(enginePort), "--tproxy-mark", "1"];
  const asked = ["-i", "client", "--dport", String(originPort)];
  await succeed(node, "iptables", [...mangle, ...asked, "-j", "TPROXY", ...to]);
  const answered = ["-i", "server", "-m", "socket", "--transparent"];
  await succeed(node, "iptables", [...mangle, ...answered, "-j", "MARK", "--set-mark", "1"]);
  await succeed(node, "ip", ["rule", "add", "fwmark", "1", "lookup", "100"]);
  await succeed(node, "ip", ["route", "add", "local", "0.0.0.0/0", "dev", "lo", "table", "100"]);
}

function startHaproxy(file: string) {
  const args = ["-c", cpu, "haproxy", "-db", "-f", file];
  return spawn("taskset", args, { stdio: ["ignore", "ignore", "inherit"] });
}

/** nginx cannot make a transparent listener, but takes one over that it inherits (as from its own earlier binary). */
function startNginx(file: string) {
  const fd = socket(AF_INET, SOCK_STREAM);
  try {
    setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
    bind(fd, sockaddrIn(new Uint8Array([127, 0, 0, 1]), enginePort));
    listen(fd);
    return spawn("taskset", ["-c", cpu, "nginx", "-c", file], {
      stdio: ["ignore", "ignore", "inherit", fd],
      env: { ...process.env, NGINX: "3;" },
    });
  } finally {
    close(fd);
  }
}

function haproxyConfig(): string {
  return `
global
  nbthread 1
  maxconn 2000
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
listen all
  bind 127.0.0.1:${enginePort} transparent
  source 0.0.0.0 usesrc clientip
  # Otherwise connections go back to a pool that is looked up by the client's address and port, which no other has.
  http-reuse never
  server origin ${serverAddress}:${originPort}
`;
}

function nginxConfig(folder: string, pidFile: string): string {
  return `
user root; daemon off; worker_processes 1; pid ${pidFile}; error_log stderr crit;
events { worker_connections 2048; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600;
  ${temporaryFolders(folder)}
  upstream origin { server ${serverAddress}:${originPort}; keepalive 128; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${enginePort};
    location / {
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_bind $remote_addr transparent;
    }
  }
}`;
}

async function workersOf(pidFile: string): Promise<number[]> {
  const master = readFileSync(pidFile, "utf8").trim();
  const { stdout } = await promisify(execFile)("pgrep", ["-P", master]);
  return stdout.trim().split("\n").map(Number);
}

async function succeed(netns: Netns, command: string, args: readonly string[]): Promise<void> {
  const { status, stderr } = await netns.exec(command, args);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
}
