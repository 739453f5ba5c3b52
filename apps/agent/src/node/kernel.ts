// Everything of this node that is in the kernel: the datapath and the maker of pods' interfaces.
import { join } from "node:path";
import { Datapath, deviceMtu, mtuProblem, routeMtu } from "@tsilium/datapath";
import { PodInterfaces } from "@tsilium/endpoint";
import type { Prefix } from "@tsilium/net";
import { projectRoot } from "@tsilium/syscall";
import type { AgentConfig } from "../config/keys.ts";
import type { Logger } from "@tsilium/runtime";
import { datapathConfig, underlay } from "./datapath-config.ts";
import { DeviceKeeper } from "./device-keeper.ts";
import type { NodeFacts } from "./facts.ts";

/** How often the node's own addresses are read again: a new one is the host's from then on. */
const hostAddressesMs = 5_000;

export class Kernel implements Disposable {
  readonly datapath: Datapath;
  readonly interfaces: PodInterfaces;
  /** Where the datapath is, of the underlay. */
  readonly devices: DeviceKeeper;
  readonly #timer: NodeJS.Timeout;

  private constructor(parts: Pick<Kernel, "datapath" | "interfaces" | "devices">, log: Logger) {
    const { datapath } = parts;
    this.datapath = datapath;
    this.interfaces = parts.interfaces;
    this.devices = parts.devices;
    this.#timer = setInterval(() => syncAddresses(datapath, log), hostAddressesMs).unref();
  }

  /**
   * Starts the datapath, or adopts the one that runs.
   * @throws Error when the underlay does not fit the configuration, and what Datapath.start throws
   */
  static async start(options: {
    config: AgentConfig;
    facts: NodeFacts;
    /** Beside those that the configuration names, or that carry the node's addresses. */
    moreDevices?: readonly string[];
    /** Where pods are known by their own addresses, when the IPAM mode knows it. */
    podRanges?: readonly Prefix[] | undefined;
    log: Logger;
  }): Promise<Kernel> {
    const { config, facts, moreDevices = [], podRanges, log } = options;
    const addresses = [facts.ipv4, facts.ipv6].filter((address) => address !== undefined);
    const found = underlay(config.devices, addresses, moreDevices);
    const settings = datapathConfig(config, facts, found, podRanges);
    const problem = mtuProblem(settings);
    if (problem !== undefined) throw new Error(problem);
    const datapath = await Datapath.start({
      config: settings,
      bpffs: config["bpf-root"],
      objects: config["bpf-objects"] || join(projectRoot(), "dist/bpf"),
      log: log.child({ part: "datapath" }),
    });
    const interfaces = new PodInterfaces({
      gatewayIpv4: settings.routerIpv4,
      gatewayIpv6: settings.routerIpv6,
      deviceMtu: deviceMtu(settings),
      routeMtu: routeMtu(settings),
    });
    const devices = DeviceKeeper.follow({
      patterns: config.devices,
      nodeAddresses: addresses,
      more: moreDevices,
      datapath,
      mtu: settings.mtu,
      log: log.child({ part: "devices" }),
    });
    return new Kernel({ datapath, interfaces, devices }, log);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.devices[Symbol.dispose]();
    this.interfaces[Symbol.dispose]();
    this.datapath[Symbol.dispose]();
  }
}

function syncAddresses(datapath: Datapath, log: Logger): void {
  try {
    datapath.syncHostAddresses();
  } catch (error) {
    log.warn({ error }, "the node's addresses could not be read again");
  }
}
