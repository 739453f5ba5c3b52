// The node's programs: one per attach point, loaded with the configuration as constants and the pinned maps, then put
// in place of whatever ran at the hooks before.
import { loadCollection } from "@tsilium/ebpf";
import type { BpfMap, Collection, Program } from "@tsilium/ebpf";
import type { ConstantValue } from "./constants.ts";
import { overlayDevice } from "../node/devices.ts";
import type { NodeDevices } from "../node/devices.ts";
import { DatapathError } from "../errors.ts";
import { isInterfaceGone, otherHook } from "./hooks.ts";
import type { Hook, HookPoint } from "./hooks.ts";
import type { DatapathLog } from "../log.ts";
import type { EndpointEntry, PartStatus, ServiceConfig } from "../model.ts";
import { programName } from "./objects.ts";
import type { AttachPoint, ObjectSet } from "./objects.ts";
import { removeLink } from "./pinned-link.ts";
import type { Pins } from "../pinned/pins.ts";
import { hostDevice } from "../node/routes.ts";
import type { HookFacts } from "./service-features.ts";
import { withConstants } from "./set-constants.ts";
import { SocketHooks } from "./socket-hooks.ts";
import { XdpHooks } from "./xdp-hooks.ts";

type Parts = {
  readonly objects: ObjectSet;
  readonly constants: Readonly<Record<string, ConstantValue>>;
  readonly maps: ReadonlyMap<string, BpfMap>;
  readonly devices: NodeDevices;
  readonly hook: Hook;
  readonly pins: Pins;
  readonly services: ServiceConfig;
  readonly log: DatapathLog;
};

/** What of these decides where programs go. */
type Places = Pick<Parts, "devices" | "pins">;

/** A hook point of the node itself (not of a pod) and the program that belongs there. */
type NodeHook = { readonly point: AttachPoint; readonly device: string; readonly at: HookPoint };

export class ProgramSet implements Disposable {
  readonly #parts: Parts;
  readonly #collections = new Map<AttachPoint, Collection>();
  #nodeHooks: readonly NodeHook[];
  readonly #sockets: SocketHooks;
  readonly #xdp: XdpHooks;

  private constructor(parts: Parts, services: { sockets: SocketHooks; xdp: XdpHooks }) {
    this.#parts = parts;
    this.#nodeHooks = nodeHooks(parts);
    this.#sockets = services.sockets;
    this.#xdp = services.xdp;
  }

  /** Loads every program this configuration needs; nothing is attached yet. @throws DatapathError, VerifierError */
  static load(parts: Parts): ProgramSet {
    const { objects, devices } = parts;
    using undo = new DisposableStack();
    const sockets = undo.use(SocketHooks.load({ ...parts, spec: objects.socket }));
    const xdp = undo.use(
      XdpHooks.load({ ...parts, spec: objects.xdp, underlay: devices.underlay }),
    );
    const set = undo.use(new ProgramSet(parts, { sockets, xdp }));
    const points = new Set<AttachPoint>([
      "from_container",
      ...set.#nodeHooks.map(({ point }) => point),
    ]);
    for (const point of points) set.#load(point);
    undo.move();
    return set;
  }

  /**
   * Attaches to the node's own hooks, replacing in place; what is done at sockets and by XDP as far as it can be had.
   * Devices that an earlier run was at, and this one is not, are let go.
   * @throws DatapathError attach
   */
  attachNode(): void {
    for (const hook of this.#nodeHooks) this.#attachNodeHook(hook);
    const pins = new Set(this.#nodeHooks.map(({ at }) => at.pin));
    for (const pin of this.#parts.pins.listDeviceLinks()) if (!pins.has(pin)) removeLink(pin);
    this.#xdp.attach();
    this.#sockets.attach();
  }

  /**
   * Goes to further underlay devices and lets go of those that are not named any more; hooks at the others are not
   * touched. When one cannot be had, programs are where they were before.
   * @throws DatapathError attach
   */
  useDevices(devices: NodeDevices): void {
    const before = this.#nodeHooks;
    const wanted = nodeHooks({ ...this.#parts, devices });
    const fresh = wanted.filter((hook) => !before.some(({ at }) => isSamePoint(at, hook.at)));
    try {
      for (const hook of fresh) this.#attachNodeHook(hook);
    } catch (error) {
      for (const { at } of fresh.toReversed()) this.#parts.hook.detach(at);
      throw error;
    }
    this.#nodeHooks = wanted;
    const pins = new Set(wanted.map(({ at }) => at.pin));
    // The way in last: what still comes is judged.
    for (const { at } of before.toReversed()) if (!pins.has(at.pin)) this.#parts.hook.detach(at);
    this.#xdp.useDevices(devices.underlay);
  }

  /** Attaches the pods' program to an endpoint's interface, or replaces it there. @throws BpfError ENODEV */
  attachEndpoint(endpoint: EndpointEntry): void {
    const { hook } = this.#parts;
    hook.attach(
      this.#program("from_container"),
      this.#endpointPoint(endpoint.id, endpoint.ifindex),
    );
  }

  /**
   * Brings the pods that an earlier run left to the present program. An interface that is gone is passed over: the
   * agent will delete that endpoint.
   */
  adoptEndpoints(endpoints: readonly EndpointEntry[]): void {
    for (const { id, ifindex } of endpoints) {
      try {
        this.#attach("from_container", this.#endpointPoint(id, ifindex));
      } catch (error) {
        if (!isInterfaceGone(error)) throw error;
      }
    }
    const known = new Set(endpoints.map(({ id }) => id));
    for (const id of this.#parts.pins.listEndpointLinks())
      if (!known.has(id)) this.detachEndpoint(id, undefined);
  }

  /** Takes the program off a pod's interface; fine when it or the interface is gone. */
  detachEndpoint(id: number, ifindex: number | undefined): void {
    this.#parts.hook.detach({ ...this.#endpointPoint(id, 0), ifindex });
  }

  /** Takes every program off the node's own hooks. */
  detachNode(): void {
    this.#sockets.detach();
    this.#xdp.detach();
    for (const { at } of this.#nodeHooks) this.#parts.hook.detach(at);
  }

  /** Health of programs and of the node's hooks. */
  status(): PartStatus[] {
    const { hook } = this.#parts;
    const programs = [...this.#collections.keys()].map((point) => {
      const { verifiedInstructions, tag } = this.#program(point).info();
      return {
        name: `program ${point}`,
        ok: true,
        message: `${verifiedInstructions} instructions verified, tag ${tag}`,
      };
    });
    const links = this.#nodeHooks.map(({ point, device, at }) => {
      const { attached, programId } = hook.state(at);
      const current =
        attached && (programId === undefined || programId === this.#program(point).info().id);
      const message = current ? `${hook.kind}` : attached ? "runs another program" : "not attached";
      return { name: `link ${device} ${at.direction}`, ok: current, message };
    });
    return [...programs, ...links, ...this.#xdp.status(), ...this.#sockets.status()];
  }

  /** How services are served at sockets and by XDP. */
  get serviceHooks(): HookFacts {
    return { socketProblem: this.#sockets.problem, xdp: this.#xdp.states() };
  }

  [Symbol.dispose](): void {
    this.#sockets[Symbol.dispose]();
    this.#xdp[Symbol.dispose]();
    for (const collection of this.#collections.values()) collection[Symbol.dispose]();
  }

  #attachNodeHook({ point, device, at }: NodeHook): void {
    try {
      this.#attach(point, at);
    } catch (cause) {
      throw new DatapathError("attach", `attaching ${point} to ${device} (${at.direction})`, {
        cause,
      });
    }
  }

  /** The other kind of attachment goes only after this one is in place: two programs for a moment, never none. */
  #attach(point: AttachPoint, at: HookPoint): void {
    const { hook } = this.#parts;
    hook.attach(this.#program(point), at);
    otherHook(hook).detach(at);
  }

  #endpointPoint(id: number, ifindex: number): HookPoint {
    return { ifindex, direction: "ingress", pin: this.#parts.pins.endpointLink(id) };
  }

  #program(point: AttachPoint): Program {
    const program = this.#collections.get(point)?.programs[programName(point)];
    if (program === undefined)
      throw new DatapathError("object_missing", `program ${programName(point)} is not loaded`);
    return program;
  }

  #load(point: AttachPoint): void {
    const { objects, constants, maps } = this.#parts;
    const spec = withConstants(objects[point], constants);
    const collection = loadCollection(spec, { maps: Object.fromEntries(maps) });
    this.#collections.set(point, collection);
  }
}

/** Pods' way in first, the underlay last: what arrives before all are attached is then dropped, not misrouted. */
function nodeHooks({ devices, pins }: Places): NodeHook[] {
  const hook = (point: AttachPoint, device: string, at: Omit<HookPoint, "pin">): NodeHook => ({
    point,
    device,
    at: { ...at, pin: pins.deviceLink(device, at.direction) },
  });
  const hooks = [
    hook("to_proxy", hostDevice, { ifindex: devices.host, direction: "ingress" }),
    hook("from_host", hostDevice, { ifindex: devices.host, direction: "egress" }),
  ];
  if (devices.vxlan !== 0)
    hooks.unshift(
      hook("from_overlay", overlayDevice, { ifindex: devices.vxlan, direction: "ingress" }),
    );
  for (const [device, ifindex] of devices.underlay) {
    hooks.push(hook("from_netdev", device, { ifindex, direction: "ingress" }));
    hooks.push(hook("to_netdev", device, { ifindex, direction: "egress" }));
  }
  return hooks;
}

/** A device that was made anew has another index under the same name. */
function isSamePoint(a: HookPoint, b: HookPoint): boolean {
  return a.pin === b.pin && a.ifindex === b.ifindex;
}
