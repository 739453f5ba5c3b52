// The node's hooks at sockets: programs in the cgroup that its processes and pods are in, one per kind of call. Where
// they cannot run, services are balanced packet by packet: what is missing is told of, and nothing stops.
import { statfsSync, statSync } from "node:fs";
import { Link, loadCollection, requireFeature, UnsupportedError } from "@tsilium/ebpf";
import type { BpfMap, Collection, CollectionSpec } from "@tsilium/ebpf";
import type { ConstantValue } from "./constants.ts";
import { DatapathError } from "../errors.ts";
import type { DatapathLog } from "../log.ts";
import type { PartStatus, ServiceConfig } from "../model.ts";
import type { Pins } from "../pinned/pins.ts";
import { linkState, placeLink, removeLink } from "./pinned-link.ts";
import type { LinkPlace } from "./pinned-link.ts";
import { withConstants } from "./set-constants.ts";
import { whyNot } from "./why-not.ts";

/** What the programs of services are loaded from. */
export type ServiceProgramParts = {
  /** undefined: it was not built. */
  readonly spec: CollectionSpec | undefined;
  readonly constants: Readonly<Record<string, ConstantValue>>;
  readonly maps: ReadonlyMap<string, BpfMap>;
  readonly services: ServiceConfig;
  readonly pins: Pins;
  readonly log: DatapathLog;
};

const balancingHooks = [
  "connect4",
  "connect6",
  "sendmsg4",
  "sendmsg6",
  "recvmsg4",
  "recvmsg6",
  "getpeername4",
  "getpeername6",
];
const bindingHooks = ["post_bind4", "post_bind6"];

/** CGROUP2_SUPER_MAGIC (linux/magic.h). */
export const cgroup2Magic = 0x63677270;

export class SocketHooks implements Disposable {
  readonly #parts: ServiceProgramParts;
  readonly #wanted: readonly string[];
  #loaded: Collection | undefined;
  #problem: string | undefined;

  private constructor(parts: ServiceProgramParts) {
    this.#parts = parts;
    const { socketLb, bindProtection } = parts.services;
    this.#wanted = [
      ...(socketLb === "none" ? [] : balancingHooks),
      ...(bindProtection ? bindingHooks : []),
    ];
  }

  /** Loads what the configuration asks for; `problem` tells why that was not possible. Nothing is attached yet. */
  static load(parts: ServiceProgramParts): SocketHooks {
    const hooks = new SocketHooks(parts);
    if (hooks.#wanted.length > 0) hooks.#attempt(() => hooks.#load());
    return hooks;
  }

  /** Why sockets are not balanced though they should be. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Attaches, replacing in place; what is not asked for, or cannot be had, is taken off. */
  attach(): void {
    this.#attempt(() => {
      for (const hook of this.#wanted) {
        const program = this.#loaded?.program(`tsi_${hook}`);
        if (program !== undefined) placeLink(program, this.#place(hook));
      }
    });
    const wanted = this.#loaded === undefined ? [] : this.#wanted;
    const kept = new Set(wanted.map((hook) => this.#place(hook).pin));
    for (const pin of this.#parts.pins.listSocketLinks()) if (!kept.has(pin)) removeLink(pin);
  }

  detach(): void {
    for (const pin of this.#parts.pins.listSocketLinks()) removeLink(pin);
  }

  /** One line per hook that is asked for. */
  status(): PartStatus[] {
    return this.#wanted.map((hook) => ({ name: `link cgroup ${hook}`, ...this.#hookStatus(hook) }));
  }

  [Symbol.dispose](): void {
    this.#loaded?.[Symbol.dispose]();
    this.#loaded = undefined;
  }

  #load(): void {
    const { spec, constants, maps, services } = this.#parts;
    if (statfsSync(services.cgroupRoot).type !== cgroup2Magic)
      throw new UnsupportedError("cgroup v2", "4.5", `${services.cgroupRoot} is of another kind`);
    requireFeature("socket address programs");
    if (spec === undefined) throw new DatapathError("object_missing", "there is no socket.o");
    this.#loaded = loadCollection(withConstants(spec, constants), {
      maps: Object.fromEntries(maps),
      programs: this.#wanted.map((hook) => `tsi_${hook}`),
    });
  }

  #attempt(action: () => void): void {
    const problem = whyNot(action);
    if (problem === undefined) return;
    this[Symbol.dispose]();
    this.#problem = problem;
    this.#parts.log.warn({ problem }, "sockets are not balanced, their packets are");
  }

  #hookStatus(hook: string): Omit<PartStatus, "name"> {
    if (this.#loaded === undefined) return { ok: false, message: this.#problem ?? "not loaded" };
    const { attached, programId } = linkState(this.#place(hook));
    if (!attached) return { ok: false, message: "not attached" };
    if (programId !== this.#loaded.program(`tsi_${hook}`).info().id)
      return { ok: false, message: "runs another program" };
    return { ok: true, message: this.#parts.services.cgroupRoot };
  }

  #place(hook: string): LinkPlace {
    const { pins, services } = this.#parts;
    return {
      pin: pins.socketLink(hook),
      fits: ({ cgroupId }) => cgroupId === inodeOf(services.cgroupRoot),
      attach: (program) => Link.attachCgroup(program, services.cgroupRoot),
    };
  }
}

/** What links know a cgroup by; undefined when it is gone. */
export function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}
