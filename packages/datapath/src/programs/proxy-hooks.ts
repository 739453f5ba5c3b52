// Hooks of the cgroups that the node's proxies are in: listeners get there what they are known by, and what proxies connect to
// servers with its mark and source port (bpf/proxy.bpf.c). Loaded when the first proxy is about to start.
import { statfsSync } from "node:fs";
import { Link, loadCollection, requireFeature, UnsupportedError } from "@tsilium/ebpf";
import type { BpfMap, Collection, CollectionSpec } from "@tsilium/ebpf";
import { DatapathError } from "../errors.ts";
import type { Direction } from "../model.ts";
import type { Pins } from "../pinned/pins.ts";
import { linkState, placeLink, type LinkPlace } from "./pinned-link.ts";
import { cgroup2Magic, inodeOf } from "./socket-hooks.ts";

/** Folders of cgroup v2 that proxies are in, by whose policy they enforce. */
export type ProxyCgroups = Readonly<Record<Direction, string>>;

const directions: readonly Direction[] = ["egress", "ingress"];
const hooks = ["bind4", "bind6", "connect4", "connect6"] as const;

export class ProxyHooks implements Disposable {
  readonly #spec: CollectionSpec | undefined;
  readonly #pins: Pins;
  readonly #maps: ReadonlyMap<string, BpfMap>;
  #loaded: Collection | undefined;
  #cgroups: ProxyCgroups | undefined;

  constructor(spec: CollectionSpec | undefined, pins: Pins, maps: ReadonlyMap<string, BpfMap>) {
    this.#spec = spec;
    this.#pins = pins;
    this.#maps = maps;
  }

  /**
   * Attaches to both cgroups, which must exist, replacing in place what an earlier agent attached. Must be done before a
   * proxy starts: without it listeners get nothing, and what it connects is taken for the client's own. Idempotent.
   * @throws UnsupportedError, DatapathError, BpfError
   */
  attach(cgroups: ProxyCgroups): void {
    for (const folder of Object.values(cgroups))
      if (statfsSync(folder).type !== cgroup2Magic)
        throw new UnsupportedError("cgroup v2", "4.5", `${folder} is of another kind`);
    requireFeature("socket address programs");
    const loaded = (this.#loaded ??= this.#load());
    for (const direction of directions)
      for (const hook of hooks)
        placeLink(
          loaded.program(programOf(direction, hook)),
          this.#place(direction, hook, cgroups[direction]),
        );
    this.#cgroups = cgroups;
  }

  /** Whether every hook is in place. */
  get isAttached(): boolean {
    const cgroups = this.#cgroups;
    if (cgroups === undefined) return false;
    return directions.every((direction) =>
      hooks.every((hook) => linkState(this.#place(direction, hook, cgroups[direction])).attached),
    );
  }

  /** Lets go of the programs; what is attached stays. */
  [Symbol.dispose](): void {
    this.#loaded?.[Symbol.dispose]();
    this.#loaded = undefined;
  }

  #load(): Collection {
    if (this.#spec === undefined) throw new DatapathError("object_missing", "there is no proxy.o");
    return loadCollection(this.#spec, { maps: Object.fromEntries(this.#maps) });
  }

  #place(direction: Direction, hook: string, cgroup: string): LinkPlace {
    return {
      pin: this.#pins.proxyLink(direction, hook),
      fits: ({ cgroupId }) => cgroupId === inodeOf(cgroup),
      attach: (program) => Link.attachCgroup(program, cgroup),
    };
  }
}

function programOf(direction: Direction, hook: string): string {
  return `tsi_${direction}_proxy_${hook}`;
}
