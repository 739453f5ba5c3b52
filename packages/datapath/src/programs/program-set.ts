// The node's programs: one per attach point, loaded with the configuration as constants and the pinned maps, then put
// in place of whatever ran at the hooks before.
import { loadCollection } from "@tsilium/ebpf";
import type { BpfMap, Collection, CollectionSpec, Program } from "@tsilium/ebpf";
import type { ConstantValue } from "./constants.ts";
import { overlayDevice } from "../node/devices.ts";
import type { NodeDevices } from "../node/devices.ts";
import { DatapathError } from "../errors.ts";
import { isInterfaceGone, otherHook } from "./hooks.ts";
import type { Hook, HookPoint } from "./hooks.ts";
import type { EndpointEntry, PartStatus } from "../model.ts";
import { programName } from "./objects.ts";
import type { AttachPoint, ObjectSet } from "./objects.ts";
import type { Pins } from "../pinned/pins.ts";
import { hostDevice } from "../node/routes.ts";

type Parts = {
  readonly objects: ObjectSet;
  readonly constants: Readonly<Record<string, ConstantValue>>;
  readonly maps: ReadonlyMap<string, BpfMap>;
  readonly devices: NodeDevices;
  readonly hook: Hook;
  readonly pins: Pins;
};

/** A hook point of the node itself (not of a pod) and the program that belongs there. */
type NodeHook = { readonly point: AttachPoint; readonly device: string; readonly at: HookPoint };

export class ProgramSet implements Disposable {
  readonly #parts: Parts;
  readonly #collections = new Map<AttachPoint, Collection>();
  readonly #nodeHooks: readonly NodeHook[];

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.#nodeHooks = nodeHooks(parts);
  }

  /** Loads every program this configuration needs; nothing is attached yet. @throws DatapathError, VerifierError */
  static load(parts: Parts): ProgramSet {
    const set = new ProgramSet(parts);
    try {
      const points = new Set<AttachPoint>([
        "from_container",
        ...set.#nodeHooks.map(({ point }) => point),
      ]);
      for (const point of points) set.#load(point);
      return set;
    } catch (error) {
      set[Symbol.dispose]();
      throw error;
    }
  }

  /** Attaches to the node's own hooks, replacing in place. @throws DatapathError attach */
  attachNode(): void {
    for (const { point, device, at } of this.#nodeHooks) {
      try {
        this.#attach(point, at);
      } catch (cause) {
        throw new DatapathError("attach", `attaching ${point} to ${device} (${at.direction})`, {
          cause,
        });
      }
    }
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
    return [...programs, ...links];
  }

  [Symbol.dispose](): void {
    for (const collection of this.#collections.values()) collection[Symbol.dispose]();
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
    const spec = objects[point].clone();
    setConstants(spec, constants);
    const collection = loadCollection(spec, { maps: Object.fromEntries(maps) });
    this.#collections.set(point, collection);
  }
}

function setConstants(
  spec: CollectionSpec,
  constants: Readonly<Record<string, ConstantValue>>,
): void {
  for (const [name, value] of Object.entries(constants))
    if (spec.hasConstant(name)) spec.setConstant(name, value);
}

/** Pods' way in first, the underlay last: what arrives before all are attached is then dropped, not misrouted. */
function nodeHooks({ devices, pins }: Parts): NodeHook[] {
  const hook = (point: AttachPoint, device: string, at: Omit<HookPoint, "pin">): NodeHook => ({
    point,
    device,
    at: { ...at, pin: pins.deviceLink(device, at.direction) },
  });
  const hooks = [hook("from_host", hostDevice, { ifindex: devices.host, direction: "egress" })];
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
