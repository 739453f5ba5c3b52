// Everything between policy and the proxies that it sends connections to: listeners and their rule sets, and connections
// that are to follow rules which are others now.
import type { WantedListener } from "@tsilium/policy";
import type { Acknowledgement, WantedRules } from "../../proxy/model.ts";
import type { PolicyKernel } from "../kernel.ts";
import type { Condition } from "../model.ts";
import type { Remains } from "../remains.ts";
import type { KernelWriter, Written } from "../writer.ts";
import type { PolicyWorld } from "../world.ts";
import { type Batch, FollowedConnections } from "./followed-connections.ts";
import { Listeners, type ListenersOptions } from "./listeners.ts";
import { Moves, type ProxiedConnection } from "./moves.ts";

export type RedirectionOptions = Pick<ListenersOptions, "file" | "now"> & {
  readonly kernel: PolicyKernel;
  readonly remains: Remains;
};

/** What holds, as far as it decides about connections. */
export type RedirectionView = { readonly world: PolicyWorld; readonly writer: KernelWriter };

const worldNames = ["world", "world-ipv4", "world-ipv6"];

export class Redirection {
  readonly listeners: Listeners;
  readonly #moves: Moves;
  readonly #followed: FollowedConnections;
  #view: RedirectionView | undefined;
  #endpointsMoved = false;

  constructor({ kernel, remains, file, now }: RedirectionOptions) {
    const proxied = () => kernel.maps.listProxied();
    this.listeners = new Listeners({
      file,
      inKernel: new Set(remains.slots.flatMap((slot) => [...slot.proxyPorts])),
      acceptedPorts: () => new Set(proxied().map(({ proxyPort }) => proxyPort)),
      now,
    });
    this.#moves = new Moves({
      proxied,
      endpoints: () => kernel.endpoints(),
      listenerFor: (connection) => this.#view && listenerFor(connection, this.#view),
    });
    this.#followed = new FollowedConnections(now);
  }

  /** Whose policy holds for some endpoint is another than before. */
  moveEndpoints(): void {
    this.#endpointsMoved = true;
  }

  /** After every writing: connections are held to what is in force now. */
  review({ redirectsChanged, addressesChanged }: Written, view: RedirectionView): void {
    this.#view = view;
    const mayConcern = this.#endpointsMoved && !(this.listeners.isEmpty && this.#moves.isIdle);
    this.#endpointsMoved = false;
    if (redirectsChanged || mayConcern) this.#followed.add(this.#moves.review());
    else if (addressesChanged) this.#followed.add(this.#moves.reviewUndecided());
  }

  /** Lets go of rule sets. A proxy must know by then what else the connections are held to that it accepted under them. */
  sweep(inKernel: () => ReadonlySet<number>): void {
    if (!this.isFollowing && !this.listeners.isEmpty) this.listeners.sweep(inKernel());
    this.listeners.save();
  }

  acknowledge(acks: readonly Acknowledgement[]): void {
    this.listeners.acknowledge(acks);
  }

  acknowledgeMoved(number: number): void {
    this.#followed.acknowledge(number);
  }

  /** Proxies have not said yet that connections follow. */
  get isFollowing(): boolean {
    return this.#followed.isWaiting;
  }

  takeUpdate(): WantedRules | undefined {
    return this.listeners.takeUpdate();
  }

  /** Connections that are held to other rules now, each told once. */
  takeMoved(): Batch[] {
    return this.#followed.take();
  }

  /** Milliseconds until something is not waited for any longer; undefined: nothing is waited for. */
  get waitMs(): number | undefined {
    const waits = [this.listeners.waitMs, this.#followed.waitMs].filter((ms) => ms !== undefined);
    return waits.length === 0 ? undefined : Math.min(...waits);
  }

  /** @param missing rule sets that have no listener */
  conditions(missing: readonly WantedListener[]): Condition[] {
    return this.listeners.conditions(missing);
  }
}

/** The listener whose rules hold for a connection; 0: none; undefined: it is dropped, or that cannot be said yet. */
function listenerFor(
  { subject, direction, peer, protocol, port }: ProxiedConnection,
  { world, writer }: RedirectionView,
): number | undefined {
  // What holds is what the kernel holds: subjects that are to get other slots are looked at again when they do.
  if (!writer.isSettled(subject, direction)) return undefined;
  const packet = { ...peerOf(peer, world), protocol, port };
  const decision = world.compiler.decide(subject, direction, packet);
  return !decision || decision.verdict === "deny" ? undefined : decision.proxyPort;
}

/** Who has an address outside the cluster may be known by other names since the connection was opened. */
function peerOf(
  { identity, address }: ProxiedConnection["peer"],
  world: PolicyWorld,
): { readonly identity: number; readonly cidrSet: number } {
  const row = world.addresses.rowOf(address);
  const labels = world.identityLabels(identity);
  const isOutside = !labels || worldNames.some((name) => labels.has(name, "reserved"));
  return { identity: isOutside && row ? row.identity : identity, cidrSet: row?.cidrSet ?? 0 };
}
