// The kernel side of a node, from configuration to running programs. Everything here outlives the agent: starting again
// adopts devices, maps and links as they are, corrects them, and replaces programs in place. Nothing is ever flushed.
import { TypedMap } from "@tsilium/ebpf";
import type { BpfMap } from "@tsilium/ebpf";
import { Rtnl } from "@tsilium/netlink";
import { Conntrack } from "./tables/conntrack.ts";
import { ensureDevices, ensureSysctls, nodeAddresses, underlayDevices } from "./node/devices.ts";
import { DatapathError } from "./errors.ts";
import { Endpoints } from "./tables/endpoints.ts";
import { EventRings } from "./tables/event-rings.ts";
import { EventStream } from "./tables/event-stream.ts";
import { mapCodecs } from "./gen/abi.ts";
import { Generation, withMapMax } from "./generation.ts";
import type { NodeParts } from "./generation.ts";
import { chooseHook } from "./programs/hooks.ts";
import type { HookKind } from "./programs/hooks.ts";
import { syncHostAddresses } from "./tables/host-addresses.ts";
import type { DatapathLog } from "./log.ts";
import { mapMaxOf } from "./pinned/fitting.ts";
import { EntryCounts } from "./pinned/entry-counts.ts";
import { mapStatus } from "./pinned/map-status.ts";
import { Metrics } from "./tables/metrics.ts";
import type {
  DatapathConfig,
  DatapathEvent,
  EventLosses,
  PartStatus,
  ServiceFeature,
  TraceLevel,
} from "./model.ts";
import { Nat } from "./tables/nat.ts";
import { NodeRoutes } from "./node/node-routes.ts";
import { ensureProxyRoutes, removeProxyRoutes } from "./node/proxy-routes.ts";
import { IpMasqMap } from "./tables/ip-masq.ts";
import { NodesMap } from "./tables/nodes.ts";
import { readObjects } from "./programs/objects.ts";
import { ProxyHooks } from "./programs/proxy-hooks.ts";
import { Pins } from "./pinned/pins.ts";
import { removeDatapath } from "./remove.ts";
import { RuntimeSwitch } from "./tables/runtime.ts";
import { serviceFeatures } from "./programs/service-features.ts";
import { ServiceMaps } from "./services/service-maps.ts";
import { flowTables, serviceTables } from "./services/tables.ts";

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
  readonly node: NodeParts;
  readonly rtnl: Rtnl;
};

export class Datapath implements Disposable {
  readonly endpoints: Endpoints;
  readonly nodes: NodesMap;
  readonly masquerade: IpMasqMap;
  readonly conntrack: Conntrack;
  readonly nat: Nat;
  readonly services: ServiceMaps;
  readonly metrics: Metrics;
  readonly routes: NodeRoutes;
  /** Where the node's proxies are hooked; to be attached before the first one starts. */
  readonly proxies: ProxyHooks;
  #parts: Parts;
  #running: Generation;
  readonly #runtime: RuntimeSwitch;
  readonly #rings: EventRings;
  readonly #stream: EventStream;
  readonly #counts = new EntryCounts();

  private constructor(parts: Parts, running: Generation) {
    const { maps, config } = running;
    this.#parts = parts;
    this.#running = running;
    this.#runtime = new RuntimeSwitch(maps.get("tsi_runtime"));
    const bumpEpoch = (): void => this.bumpEpoch();
    this.endpoints = new Endpoints({
      byInterface: new TypedMap(maps.get("tsi_ep_if"), mapCodecs.tsi_ep_if),
      byAddress: new TypedMap(maps.get("tsi_ep_addr"), mapCodecs.tsi_ep_addr),
      hook: {
        attach: (endpoint) => this.#running.programs.attachEndpoint(endpoint),
        detach: (id, ifindex) => this.#running.programs.detachEndpoint(id, ifindex),
      },
      bumpEpoch,
    });
    this.masquerade = new IpMasqMap(new TypedMap(maps.get("tsi_ip_masq"), mapCodecs.tsi_ip_masq));
    this.nodes = new NodesMap(new TypedMap(maps.get("tsi_nodes"), mapCodecs.tsi_nodes));
    this.conntrack = new Conntrack({
      ipv4: [maps.get("tsi_ct4_new"), maps.get("tsi_ct4")],
      ipv6: [maps.get("tsi_ct6_new"), maps.get("tsi_ct6")],
    });
    this.nat = new Nat({ ipv4: maps.get("tsi_nat4"), ipv6: maps.get("tsi_nat6") });
    this.services = new ServiceMaps(serviceTables(maps), flowTables(maps));
    this.metrics = new Metrics(maps.get("tsi_metrics"));
    this.routes = new NodeRoutes(parts.rtnl, config);
    this.proxies = new ProxyHooks(parts.node.objects.proxy, parts.node.pins, maps.all);
    this.#rings = EventRings.of((name) => maps.get(name));
    this.#stream = new EventStream([this.#rings.verdicts, this.#rings.traces]);
  }

  /**
   * Brings the node to its configuration: devices, settings, maps (an older layout is migrated first), programs, then
   * the hooks, where old programs are replaced in one step each, pods' included, and routes last. Runs in the network
   * namespace of the caller and needs CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON, with Maglev tables CAP_SYS_ADMIN too; does
   * all its work before it first yields.
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
    const hook = chooseHook(options.attachBy);
    const node = { objects, devices, hook, pins, log };
    const generation = undo.use(Generation.load(config, node));
    const datapath = new Datapath({ node, rtnl }, generation);
    datapath.syncHostAddresses();
    generation.takeOver(datapath.endpoints.list());
    datapath.routes.installLocal();
    if (config.l7Proxy) ensureProxyRoutes(rtnl, config);
    else removeProxyRoutes(rtnl);
    undo.move();
    log.info({ hook: hook.kind, endpoints: datapath.endpoints.list().length }, "datapath running");
    return datapath;
  }

  /**
   * Gives services' tables room for `mapMax` entries each (bpf-lb-map-max; slots twice as many) while everything runs:
   * nothing that they hold is lost, and every hook is switched in one step. Blocks for as long as a start does. Answers
   * whether there was anything to do: no table is made smaller.
   * @throws DatapathError, VerifierError, BpfError; what ran goes on running then, and this can be repeated
   */
  growServices(mapMax: number): boolean {
    const sizes = this.services.usage().map(mapMaxOf);
    if (Math.min(...sizes) >= mapMax) return false;
    const { node } = this.#parts;
    const config = withMapMax(this.#running.config, Math.max(mapMax, ...sizes));
    using undo = new DisposableStack();
    const larger = undo.use(Generation.load(config, node, this.#running));
    this.#running.handOverTo(larger, this.endpoints.list());
    undo.move();
    this.#running = larger;
    this.services.moveTo(serviceTables(larger.maps));
    node.log.info({ mapMax: config.services.mapMax }, "services have larger tables");
    return true;
  }

  /**
   * Is at these underlay devices from now on, and at no others, while everything runs: further ones are policed and
   * masqueraded at, those that went or are not named are let go, and packets of the others lose nothing. A device that
   * is to forward nothing before comes up after this call. Sizes of packets (`mtu`) stay as they were at the start.
   * Answers whether there was anything to do.
   * @throws DatapathError bad_config, device_missing, attach; all is as before then, and this can be repeated
   */
  useDevices(names: readonly string[]): boolean {
    if (names.length === 0) throw new DatapathError("bad_config", "no device faces the underlay");
    const { node, rtnl } = this.#parts;
    const underlay = underlayDevices(rtnl, names);
    if (areSame(underlay, node.devices.underlay)) return false;
    const { config } = this.#running;
    ensureSysctls({ ...config, devices: names });
    const devices = { ...node.devices, underlay };
    this.#running.useDevices(devices);
    this.#parts = { node: { ...node, devices }, rtnl };
    this.syncHostAddresses();
    node.log.info({ devices: names }, "the datapath is at other devices");
    return true;
  }

  /** Names of the underlay devices that the datapath is at. */
  get devices(): readonly string[] {
    return [...this.#parts.node.devices.underlay.keys()];
  }

  /**
   * Drops and, once switched on, traces and translations, from now until `signal` aborts. Any number of listeners, but
   * of one process: rings take one reader. Where another thread reads them (`openEventRings`), nobody may call this.
   */
  events(signal: AbortSignal): AsyncIterable<DatapathEvent> {
    return this.#stream.events(signal);
  }

  /** Events told and lost, by class and CPU. Exact: what was to be told is their sum. */
  eventLosses(): EventLosses[] {
    return this.#rings.losses();
  }

  /** Which forwarded packets make events too. Costs each of them; "off" unless asked for. */
  setTrace(level: TraceLevel): void {
    this.#runtime.setTrace(level);
  }

  /** Whether verdicts that allow a new flow make events too. */
  setVerdicts(on: boolean): void {
    this.#runtime.setVerdicts(on);
  }

  /** Whether proxies run: answers to what they ask servers are then told from clients' own. */
  setProxies(on: boolean): void {
    this.#runtime.setProxies(on);
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
    syncHostAddresses(
      new TypedMap(this.map("tsi_ep_addr"), mapCodecs.tsi_ep_addr),
      nodeAddresses(this.#parts.rtnl),
    );
  }

  /** Health of programs, links and maps, these with how full they are, or were a moment ago. */
  status(): PartStatus[] {
    const { programs, maps } = this.#running;
    const known = new Map(this.services.usage().map(({ map, entries }) => [map, entries]));
    return [
      ...programs.status(),
      ...Array.from(maps.all, ([name, map]) =>
        mapStatus(name, map, { counts: this.#counts, known: known.get(name) }),
      ),
    ];
  }

  /** Whether and how each part of services is on, or what this node lacks for it. */
  serviceFeatures(): ServiceFeature[] {
    const { config, programs } = this.#running;
    return serviceFeatures(config.services, programs.serviceHooks);
  }

  /** Maps by name, for packages that own further ones. */
  map(name: string): BpfMap {
    return this.#running.maps.get(name);
  }

  /** Takes programs off every hook, pods' included; maps and devices stay. */
  detachAll(): void {
    for (const { id, ifindex } of this.endpoints.list())
      this.#running.programs.detachEndpoint(id, ifindex);
    this.#running.programs.detachNode();
  }

  /** Removes everything of ours from the node: programs, pins, routes, devices. The object is of no use afterwards. */
  remove(): void {
    this.detachAll();
    removeDatapath({ bpffs: this.#parts.node.pins.root });
  }

  /** Lets go of descriptors and ends every event stream. What is pinned goes on forwarding. */
  [Symbol.dispose](): void {
    void this.#stream.stopped().then(() => this.#rings[Symbol.dispose]());
    this.#runtime[Symbol.dispose]();
    this.proxies[Symbol.dispose]();
    this.#running[Symbol.dispose]();
    this.#parts.rtnl[Symbol.dispose]();
  }
}

/** The same devices, none made anew, in whatever order. */
function areSame(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  return a.size === b.size && [...a].every(([name, index]) => b.get(name) === index);
}
