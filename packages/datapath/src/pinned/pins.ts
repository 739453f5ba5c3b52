// Where the datapath's kernel objects are pinned. Maps and links outlive the agent, so these names are a promise
// between one version of the agent and the next.
//
//   <root>/maps/<map>_<layout hash>
//   <root>/links/<device>_<ingress|egress>   <device>_xdp_<native|generic>   lxc_<endpoint id>   cgroup_<hook>
import { mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

export type Direction = "ingress" | "egress";

/** A pinned map found on disk. */
export type MapPin = { readonly path: string; readonly map: string; readonly layoutHash: string };

const hashLength = 8;

/** Paths of pins under one root. Only `create` touches the file system's contents. */
export class Pins {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  get mapsDirectory(): string {
    return join(this.root, "maps");
  }

  get linksDirectory(): string {
    return join(this.root, "links");
  }

  /** Makes the directories; `root` must lie on a bpffs (pinning fails with EPERM elsewhere). */
  create(): void {
    mkdirSync(this.mapsDirectory, { recursive: true, mode: 0o700 });
    mkdirSync(this.linksDirectory, { recursive: true, mode: 0o700 });
  }

  map(name: string, layoutHash: string): string {
    return join(this.mapsDirectory, `${name}_${layoutHash}`);
  }

  /** Dots are not allowed in bpffs names, but are in device names (eth0.100): they become `%`. */
  deviceLink(device: string, direction: Direction): string {
    return join(this.linksDirectory, `${device.replaceAll(".", "%")}_${direction}`);
  }

  /** XDP cannot change its mode in place, so each has a link of its own. */
  xdpLink(device: string, mode: "native" | "generic"): string {
    return join(this.linksDirectory, `${device.replaceAll(".", "%")}_xdp_${mode}`);
  }

  /** `hook`: "connect4". */
  socketLink(hook: string): string {
    return join(this.linksDirectory, `cgroup_${hook}`);
  }

  /** `hook`: "connect4". */
  proxyLink(direction: Direction, hook: string): string {
    return join(this.linksDirectory, `proxy_${direction}_${hook}`);
  }

  endpointLink(endpointId: number): string {
    return join(this.linksDirectory, `lxc_${endpointId}`);
  }

  /** Every pinned map, of every layout, the newest pin first. Empty when nothing was ever pinned here. */
  listMaps(): MapPin[] {
    const found = namesIn(this.mapsDirectory).flatMap((name) => {
      const parsed = parseMapPin(name);
      if (parsed === undefined) return [];
      const path = join(this.mapsDirectory, name);
      return [{ path, ...parsed, pinnedMs: statSync(path).mtimeMs }];
    });
    found.sort((a, b) => b.pinnedMs - a.pinnedMs);
    return found.map(({ path, map, layoutHash }) => ({ path, map, layoutHash }));
  }

  /** Names of every pinned link, sorted. */
  listLinks(): string[] {
    return namesIn(this.linksDirectory).sort();
  }

  /** Paths of the links to the node's own devices, but for XDP. */
  listDeviceLinks(): string[] {
    return this.#linksLike(/_(ingress|egress)$/);
  }

  /** Paths of the links to cgroups. */
  listSocketLinks(): string[] {
    return this.#linksLike(/^cgroup_[a-z_]+[46]$/);
  }

  /** Paths of the links to XDP hooks. */
  listXdpLinks(): string[] {
    return this.#linksLike(/_xdp_(native|generic)$/);
  }

  /** IDs of the endpoints that have a pinned link. */
  listEndpointLinks(): number[] {
    return this.listLinks().flatMap((name) => {
      const id = /^lxc_(\d+)$/.exec(name)?.[1];
      return id === undefined ? [] : [Number(id)];
    });
  }

  #linksLike(pattern: RegExp): string[] {
    const names = this.listLinks().filter((name) => pattern.test(name));
    return names.map((name) => join(this.linksDirectory, name));
  }
}

/** Splits `<map>_<hash>`; undefined for a name that is not of this form. */
export function parseMapPin(name: string): { map: string; layoutHash: string } | undefined {
  const match = /^(?<map>[a-z0-9_]+)_(?<hash>[0-9a-f]+)$/.exec(name);
  const { map, hash } = match?.groups ?? {};
  if (map === undefined || hash?.length !== hashLength) return undefined;
  return { map, layoutHash: hash };
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
