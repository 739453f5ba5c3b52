// The kernel settings of the agent's network namespace that the datapath depends on, and the one place that writes
// them. /proc/sys/net shows the namespace of the thread that opens it, so this must run inside the agent's.
import { readFileSync, writeFileSync } from "node:fs";
import { hostDevice } from "./routes.ts";

/** One setting: path below /proc/sys and the value wanted. */
export type Sysctl = {
  readonly path: string;
  readonly value: string;
  /** Not every kernel or namespace has it: a missing file is skipped. */
  readonly optional?: true;
};

/** What the settings depend on. */
export type SysctlFacts = {
  readonly enableIpv4: boolean;
  readonly enableIpv6: boolean;
  /** Tsilium's own devices: tsi_host, tsi_net, tsi_vxlan. */
  readonly ownDevices: readonly string[];
  /** Underlay devices. */
  readonly devices: readonly string[];
};

/**
 * The settings wanted for a configuration, in the order to write them.
 *
 * - Forwarding, since packets that eBPF hands to the stack are routed there.
 * - rp_filter off: the stack sees only one direction of many flows, and the effective value is the larger of `all` and
 *   the device's; `default` covers pods' veths made later.
 * - Router advertisements: with forwarding on, accept_ra=1 stops working and a node would lose its default route
 *   (Documentation/networking/ip-sysctl); 2 keeps it for devices that use it.
 * - No duplicate address detection and no advertisements on our own devices, so that addresses work at once.
 */
export function sysctlsFor(facts: SysctlFacts): Sysctl[] {
  const wanted: Sysctl[] = [{ path: "net/core/bpf_jit_enable", value: "1", optional: true }];
  if (facts.enableIpv4) {
    wanted.push({ path: "net/ipv4/ip_forward", value: "1" });
    for (const device of ["all", "default", ...facts.ownDevices, ...facts.devices])
      wanted.push({ path: deviceSysctl("ipv4", device, "rp_filter"), value: "0" });
    // What the node itself sends to a proxy comes back in by tsi_host, from one of the node's own addresses.
    for (const device of facts.ownDevices.filter((name) => name === hostDevice))
      wanted.push({ path: deviceSysctl("ipv4", device, "accept_local"), value: "1" });
  }
  if (facts.enableIpv6) {
    wanted.push({ path: "net/ipv6/conf/all/disable_ipv6", value: "0" });
    for (const device of facts.ownDevices) {
      wanted.push({ path: deviceSysctl("ipv6", device, "disable_ipv6"), value: "0" });
      wanted.push({ path: deviceSysctl("ipv6", device, "accept_ra"), value: "0" });
      wanted.push({ path: deviceSysctl("ipv6", device, "accept_dad"), value: "0" });
    }
    wanted.push({ path: "net/ipv6/conf/all/forwarding", value: "1" });
  }
  return wanted;
}

/** Devices that take router advertisements now, and must go on doing so once forwarding is switched on. */
export function keepRouterAdvertisements(devices: readonly string[], read = readSysctl): Sysctl[] {
  return devices
    .map((device) => deviceSysctl("ipv6", device, "accept_ra"))
    .filter((path) => read(path) === "1")
    .map((path) => ({ path, value: "2" }));
}

/**
 * Keeps the kernel from giving a process one of these ports by itself, where it would: they are added to those reserved
 * already. Not for a process that asks for such a port (ip_local_reserved_ports, Documentation/networking/ip-sysctl).
 */
export function reservePorts(range: readonly [number, number], read = readSysctl): Sysctl[] {
  const path = "net/ipv4/ip_local_reserved_ports";
  const [first = 0, last = 0] = (read("net/ipv4/ip_local_port_range") ?? "")
    .split(/\s+/)
    .map(Number);
  if (range[1] < first || last < range[0]) return [];
  const present = read(path) ?? "";
  if (includesPorts(present, range)) return [];
  const added = `${range[0]}-${range[1]}`;
  return [{ path, value: present === "" ? added : `${present},${added}`, optional: true }];
}

/** Whether a list as the kernel prints it ("53,30000-32767"), adjacent ranges joined, has all of a range. */
function includesPorts(list: string, [first, last]: readonly [number, number]): boolean {
  return list.split(",").some((item) => {
    const [from = NaN, to = from] = item.split("-").map(Number);
    return from <= first && last <= to;
  });
}

/** Dots in device names stay as they are here, unlike in sysctl(8)'s notation. */
function deviceSysctl(family: "ipv4" | "ipv6", device: string, name: string): string {
  return `net/${family}/conf/${device}/${name}`;
}

/** The current value without its newline; undefined when this kernel or namespace has no such setting. */
function readSysctl(path: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${path}`, "utf8").trim();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Writes what differs and returns what was changed. A missing optional setting is skipped; other failures throw. */
export function applySysctls(wanted: readonly Sysctl[]): Sysctl[] {
  return wanted.filter((sysctl) => {
    const current = readSysctl(sysctl.path);
    if (current === sysctl.value) return false;
    if (current === undefined && sysctl.optional) return false;
    writeFileSync(`/proc/sys/${sysctl.path}`, sysctl.value);
    return true;
  });
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
