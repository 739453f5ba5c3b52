// How our own proxies are started: their programs, users, sockets and settings. Pure but for folders.
import { join } from "node:path";
import { proxyUsers, type ProxyUser } from "@tsilium/proxy/launch/index.ts";
import type { LaunchOptions } from "@tsilium/proxy/launch/index.ts";
import { projectRoot } from "@tsilium/syscall";
import type { AgentConfig } from "../config/keys.ts";
import type { ProxyCgroups } from "./cgroups.ts";
import { directionOf, type SeatName } from "./model.ts";

export type NodeSeat = Exclude<SeatName, "engine-egress" | "engine-ingress">;

export type NodeProxyPlan = {
  readonly process: LaunchOptions & { readonly pidFile: string };
  readonly controlSocket: string;
};

/** Of a proxy's heap: what it holds beyond is a fault, and it is started anew. */
const heapMiB = 512;

export function planNodeProxy(
  seat: NodeSeat,
  options: {
    readonly config: AgentConfig;
    /** `<run-dir>/proxy` */
    readonly folder: string;
    readonly cgroups: ProxyCgroups;
  },
): NodeProxyPlan {
  const { config, folder, cgroups } = options;
  // Of root's: no proxy's user may put another socket there.
  const controlSocket = join(folder, `${seat}.sock`);
  const common = { controlSocket, stateFolder: join(folder, seat), user: userOf(seat) };
  const settings =
    seat === "dns"
      ? {
          ...common,
          rejectCode: config["tofqdns-dns-reject-response-code"],
          maxResponseDelayMs: config["tofqdns-proxy-response-max-delay"],
        }
      : { ...common, direction: directionOf(seat) };
  return {
    controlSocket,
    process: {
      command: process.execPath,
      args: [
        `--max-old-space-size=${heapMiB}`,
        // The default costs half of the memory of a busy proxy and gains next to nothing.
        "--max-semi-space-size=8",
        scriptOf(seat),
        JSON.stringify(settings),
      ],
      environment: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", TSILIUM_ROOT: projectRoot() },
      cgroup: cgroups[directionOf(seat)],
      logFile: join(folder, `${seat}.log`),
      pidFile: join(folder, `${seat}.pid`),
    },
  };
}

function userOf(seat: NodeSeat): ProxyUser {
  return seat === "dns" ? proxyUsers.dns : proxyUsers.kafka[directionOf(seat)];
}

/** Beside this source file, or, in the bundle, beside the agent. */
function scriptOf(seat: NodeSeat): string {
  const app = seat === "dns" ? "dns-proxy" : "kafka-proxy";
  return import.meta.filename.endsWith(".ts")
    ? join(projectRoot(), "apps", app, "src/main.ts")
    : join(projectRoot(), "dist/js", `${app}.mjs`);
}
