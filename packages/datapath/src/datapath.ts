// The kernel side of a node, from configuration to running programs. Everything here outlives the agent: starting again
// adopts devices, maps and links as they are, corrects them, and replaces programs in place. Nothing is ever flushed.
import { totalmem } from "node:os";
import { RingBuffer, TypedMap } from "@tsilium/ebpf";
import type { BpfMap } from "@tsilium/ebpf";
import { Rtnl } from "@tsilium/netlink";
import { Conntrack } from "./tables/conntrack.ts";
import { loadTimeConstants } from "./programs/constants.ts";
import { ensureDevices, nodeAddresses } from "./node/devices.ts";
import { Endpoints } from "./tables/endpoints.ts";
import { EventStream } from "./tables/event-stream.ts";
import { mapCodecs } from "./gen/abi.ts";
import { chooseHook } from "./programs/hooks.ts";
import type { HookKind } from "./programs/hooks.ts";
import { syncHostAddresses } from "./tables/host-addresses.ts";
import type { DatapathLog } from "./log.ts";
import { MapSet } from "./pinned/map-set.ts";
import { declareMaps } from "./pinned/map-specs.ts";
import { mapStatus } from "./pinned/map-status.ts";
import { Metrics } from "./tables/metrics.ts";
import type { DatapathConfig, DropOrTraceEvent, PartStatus } from "./model.ts";
import { Nat } from "./tables/nat.ts";
import { NodeRoutes } from "./node/node-routes.ts";
import { NodesMap } from "./tables/nodes.ts";
import { readObjects } from "./programs/objects.ts";
import { Pins } from "./pinned/pins.ts";
import { ProgramSet } from "./programs/program-set.ts";
import { removeDatapath } from "./remove.ts";
import { RuntimeSwitch } from "./tables/runtime.ts";
import { tableSizes, youngShare } from "./pinned/sizing.ts";
import type { TableSizes } from "./pinned/sizing.ts";

export type DatapathOptions = {
  readonly config: DatapathConfig;
  /** Directory for pins; must lie on a bpffs. */
  readonly bpffs: string;
  /** Directory of the compiled objects (dist/bpf). */
  readonly objects: string;
  readonly log: DatapathLog;
  /** How programs are attached; absent: tcx where the kernel has it. */
  readonly attachBy?: HookKind;
};

type Parts = {
  readonly pins: Pins;
  readonly rtnl: Rtnl;
  readonly maps: MapSet;
  readonly programs: ProgramSet;
  readonly config: DatapathConfig;
};

export class Datapath implements Disposable {
  readonly endpoints: Endpoints;
  readonly nodes: NodesMap;
  readonly conntrack: Conntrack;
  readonly nat: Nat;
  readonly metrics: Metrics;
  readonly routes: NodeRoutes;
  readonly #parts: Parts;
  readonly #runtime: RuntimeSwitch;
  readonly #ring: RingBuffer;
  readonly #stream: EventStream;

  private constructor(parts: Parts) {
    const { maps, programs } = parts;
    this.#parts = parts;
    this.#runtime = new RuntimeSwitch(maps.get("tsi_runtime"));
    const bumpEpoch = (): void => this.bumpEpoch();
    this.endpoints = new Endpoints({
      byInterface: new TypedMap(maps.get("tsi_ep_if"), mapCodecs.tsi_ep_if),
      byAddress: new TypedMap(maps.get("tsi_ep_addr"), mapCodecs.tsi_ep_addr),
      hook: {
        attach: (endpoint) => programs.attachEndpoint(endpoint),
        detach: (id, ifindex) => programs.detachEndpoint(id, ifindex),
      },
      bumpEpoch,
    });
    this.nodes = new NodesMap(new TypedMap(maps.get("tsi_nodes"), mapCodecs.tsi_nodes));
    this.conntrack = new Conntrack({
      ipv4: [maps.get("tsi_ct4"), maps.get("tsi_ct4_new")],
      ipv6: [maps.get("tsi_ct6"), maps.get("tsi_ct6_new")],
    });
    this.nat = new Nat({ ipv4: maps.get("tsi_nat4"), ipv6: maps.get("tsi_nat6") });
    this.metrics = new Metrics(maps.get("tsi_metrics"));
    this.routes = new NodeRoutes(parts.rtnl, parts.config);
    this.#ring = RingBuffer.open(maps.get("tsi_events"));
    this.#stream = new EventStream(this.#ring);
  }

  /**
   * Brings the node to its configuration: devices, settings, maps (an older layout is migrated first), programs, then
   * the hooks, where old programs are replaced in one step each, pods' included, and routes last. Runs in the network
   * namespace of the caller and needs CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON; does all its work before it first yields.
   * @throws DatapathError, VerifierError, BpfError, NetlinkError; hooks keep what they ran before
   */
  static async start(options: DatapathOptions): Promise<Datapath> {
    const { config, log } = options;
    const objects = readObjects(options.objects);
    const pins = new Pins(options.bpffs);
    pins.create();
    using undo = new DisposableStack();
    const rtnl = undo.use(Rtnl.open());
    const devices = ensureDevices(rtnl, config);
    const constants = loadTimeConstants(config, devices);
    const declared = declareMaps(Object.values(objects), sizesOf(config));
    const maps = undo.use(MapSet.open(declared, { pins, log }));
    const hook = chooseHook(options.attachBy);
    const programs = undo.use(
      ProgramSet.load({ objects, constants, maps: maps.all, devices, hook, pins }),
    );
    maps.inherit();
    const datapath = new Datapath({ pins, rtnl, maps, programs, config });
    datapath.#takeOver();
    undo.move();
    log.info({ hook: hook.kind, endpoints: datapath.endpoints.list().length }, "datapath running");
    return datapath;
  }

  /** Drops and, once switched on, traces, from now until `signal` aborts. Any number of listeners. */
  events(signal: AbortSignal): AsyncIterable<DropOrTraceEvent> {
    return this.#stream.events(signal);
  }

  /** Whether forwarded packets make events too. Costs every packet; off unless asked for. */
  setTrace(on: boolean): void {
    this.#runtime.setTrace(on);
  }

  /** Whether verdicts that allow a new flow make events too. */
  setVerdicts(on: boolean): void {
    this.#runtime.setVerdicts(on);
  }

  /** Makes every connection's next packet decide anew; to be called after the writes that matter. */
  bumpEpoch(): void {
    this.#runtime.bumpEpoch();
  }

  /** The policy epoch that verdicts are remembered under. */
  get epoch(): number {
    return this.#runtime.epoch;
  }

  /** Rereads the node's own addresses, all devices'. To be called when they change. */
  syncHostAddresses(): void {
    const { maps, rtnl } = this.#parts;
    syncHostAddresses(
      new TypedMap(maps.get("tsi_ep_addr"), mapCodecs.tsi_ep_addr),
      nodeAddresses(rtnl),
    );
  }

  /** Health of programs, links and maps, these with how full they are. */
  status(): PartStatus[] {
    const { programs, maps } = this.#parts;
    return [...programs.status(), ...Array.from(maps.all, ([name, map]) => mapStatus(name, map))];
  }

  /** Maps by name, for packages that own further ones. */
  map(name: string): BpfMap {
    return this.#parts.maps.get(name);
  }

  /** Takes programs off every hook, pods' included; maps and devices stay. */
  detachAll(): void {
    for (const { id, ifindex } of this.endpoints.list())
      this.#parts.programs.detachEndpoint(id, ifindex);
    this.#parts.programs.detachNode();
  }

  /** Removes everything of ours from the node: programs, pins, routes, devices. The object is of no use afterwards. */
  remove(): void {
    this.detachAll();
    removeDatapath({ bpffs: this.#parts.pins.root });
  }

  /** Lets go of descriptors and ends every event stream. What is pinned goes on forwarding. */
  [Symbol.dispose](): void {
    const { rtnl, maps, programs } = this.#parts;
    void this.#stream.stopped().then(() => this.#ring[Symbol.dispose]());
    this.#runtime[Symbol.dispose]();
    programs[Symbol.dispose]();
    maps[Symbol.dispose]();
    rtnl[Symbol.dispose]();
  }

  #takeOver(): void {
    const { programs, maps } = this.#parts;
    this.syncHostAddresses();
    programs.adoptEndpoints(this.endpoints.list());
    programs.attachNode();
    maps.retirePredecessors();
    this.routes.installLocal();
  }
}

function sizesOf(config: DatapathConfig): TableSizes {
  const fromMemory = tableSizes(totalmem());
  const conntrackMax = config.conntrackMax ?? fromMemory.conntrackMax;
  const natMax =
    config.natMax ??
    (config.conntrackMax === undefined ? fromMemory.natMax : natShare(conntrackMax));
  return { conntrackMax, youngMax: youngShare(conntrackMax), natMax, policyMax: config.policyMax };
}

/** Cilium's upper bound: translations are at most two thirds of connections. */
function natShare(conntrackMax: number): number {
  return Math.max(1024, Math.floor((conntrackMax * 2) / 3));
}
