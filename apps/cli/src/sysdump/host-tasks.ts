// The node as its kernel and its programs see it: interfaces, addresses, routes, rules, neighbours, sockets, settings.
import { readdirSync, readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import type { Content, Task } from "./collect.ts";
import { outputOf } from "./run.ts";

export type HostOptions = {
  readonly folder: string;
  /** Path of the node's network namespace; undefined: ours. */
  readonly netns: string | undefined;
  readonly maxBytes: number;
};

/** Name of the file, and what is run in the node's network. */
const commands: readonly (readonly [string, readonly string[]])[] = [
  ["links.json", ["ip", "-details", "-statistics", "-json", "link", "show"]],
  ["addresses.json", ["ip", "-json", "address", "show"]],
  ["routes-ipv4.txt", ["ip", "-4", "route", "show", "table", "all"]],
  ["routes-ipv6.txt", ["ip", "-6", "route", "show", "table", "all"]],
  ["rules-ipv4.txt", ["ip", "-4", "rule", "show"]],
  ["rules-ipv6.txt", ["ip", "-6", "rule", "show"]],
  ["neighbours.txt", ["ip", "neighbour", "show"]],
  ["sockets.txt", ["ss", "-tuanp"]],
  ["nftables.txt", ["nft", "list", "ruleset"]],
  ["iptables.txt", ["iptables-save"]],
  ["ip6tables.txt", ["ip6tables-save"]],
  ["sysctl-net.txt", ["sysctl", "-a", "--pattern", "^net\\."]],
];

/** Files of the machine that tell of its kernel. Not its command line, which may hold anything. */
const files = ["version", "meminfo", "loadavg", "vmstat", "pressure/cpu", "pressure/memory"];

export function hostTasks({ folder, netns, maxBytes }: HostOptions): Task[] {
  const ofNetwork = commands.map(([file, command]): Task => ({
    name: `${folder}/host/${file}`,
    read: async (signal) => {
      const text = await outputOf(command, { signal, maxBytes, netns });
      return file.endsWith(".json") ? jsonOf(text) : { kind: "text", text };
    },
  }));
  return [...ofNetwork, { name: `${folder}/host/kernel.json`, read: kernelFacts }];
}

function jsonOf(text: string): Content {
  return { kind: "json", value: JSON.parse(text) };
}

async function kernelFacts(): Promise<Content> {
  const { features } = await import("@tsilium/ebpf");
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  return {
    kind: "json",
    value: {
      release: release(),
      cpus: cpus().length,
      memoryBytes: totalmem(),
      features,
      mounts: mounts.filter((line) => /^\S+ \S+ (?:bpf|cgroup2?) /.test(line)),
      netDevices: readdirSync("/sys/class/net"),
      proc: Object.fromEntries(files.map((file) => [file, readable(join("/proc", file))])),
    },
  };
}

function readable(path: string): string {
  try {
    return readFileSync(path, "utf8").slice(0, 20_000);
  } catch (error) {
    return (error as Error).message;
  }
}
