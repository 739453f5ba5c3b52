// Everything between policy and the proxies that it sends connections to: listeners and their rule sets, and connections
// that are to follow rules which are others now.
import { allocatedIdentities, localScopes, ReservedIdentity } from "@tsilium/identity/model.ts";
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

/** Connections that are read once more: see `review`. */
type Reading = { readonly at: number; readonly before: number };

const momentMs = 50;

export class Redirection {
  readonly listeners: Listeners;
  readonly #moves: Moves;
  readonly #followed: FollowedConnections;
  readonly #now: () => number;
  /** Soonest first. */
  readonly #later: Reading[] = [];
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
    this.#now = now;
  }

  /** Whose policy holds for some endpoint is another than before. */
  moveEndpoints(): void {
    this.#endpointsMoved = true;
  }

  /**
   * After every writing: connections are held to what is in force now, and to whom their peers are. After what changes that
   * they are read once more in a moment: another CPU may have been about to open one by what held before.
   * @param before the last input that was in force before
   */
  review(written: Written, view: RedirectionView, before: number): void {
    this.#view = view;
    const { redirectsChanged, addressesChanged, peersKnown } = written;
    const peersChanged = this.#endpointsMoved || addressesChanged || peersKnown;
    this.#endpointsMoved = false;
    const mayConcern = peersChanged && !(this.listeners.isEmpty && this.#moves.isIdle);
    const changed = redirectsChanged || mayConcern;
    const due = this.#takeDue();
    if (!changed && due.length === 0) return;
    if (changed) this.#later.push({ at: this.#now() + momentMs, before });
    const oldest = Math.min(before, ...due.map((reading) => reading.before));
    this.#followed.add(this.#moves.review(), oldest);
  }

  #takeDue(): Reading[] {
    const now = this.#now();
    const first = this.#later.findIndex(({ at }) => at > now);
    return this.#later.splice(0, first < 0 ? this.#later.length : first);
  }

  /** Lets go of rule sets. A proxy must know by then what else the connections are held to that it accepted under them. */
  sweep(inKernel: () => ReadonlySet<number>): void {
    if (!this.#followed.isWaiting && !this.listeners.isEmpty) this.listeners.sweep(inKernel());
    this.listeners.save();
  }

  acknowledge(acks: readonly Acknowledgement[]): void {
    this.listeners.acknowledge(acks);
  }

  acknowledgeMoved(number: number): void {
    this.#followed.acknowledge(number);
  }

  /** Of inputs up to `written`, which are in the kernel, the last one that all connections follow. */
  followed(written: number): number {
    const { before = written } = this.#followed;
    return Math.min(written, before, ...this.#later.map((reading) => reading.before));
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
    const [next] = this.#later;
    const reading = next && Math.max(0, next.at - this.#now());
    const waits = [this.listeners.waitMs, this.#followed.waitMs, reading].filter(
      (ms) => ms !== undefined,
    );
    return waits.length === 0 ? undefined : Math.min(...waits);
  }

  /** @param missing rule sets that have no listener */
  conditions(missing: readonly WantedListener[]): Condition[] {
    return [...this.listeners.conditions(missing), ...this.#followed.conditions()];
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

/**
 * Who has the peer's address today, as packets are judged. But a node stands in for clients from outside, and for whom only
 * their packets say (bpf/lib/connection.h, keep_client).
 */
function peerOf(
  { identity, address }: ProxiedConnection["peer"],
  world: PolicyWorld,
): { readonly identity: number; readonly cidrSet: number } {
  const row = world.addresses.rowOf(address);
  if (!row) return { identity, cidrSet: 0 };
  const isStoodInFor = isOtherNode(row.identity) && isOutside(identity);
  return { identity: isStoodInFor ? identity : row.identity, cidrSet: row.cidrSet };
}

function isOtherNode(identity: number): boolean {
  const { "remote-node": remoteNode, "kube-apiserver": apiServer } = ReservedIdentity;
  return (
    identity === remoteNode || identity === apiServer || identity >>> 24 === localScopes.node >>> 24
  );
}

function isOutside(identity: number): boolean {
  const isPod = identity >= allocatedIdentities.first && identity < localScopes.external;
  return !isPod && !isOtherNode(identity) && identity !== ReservedIdentity.host;
}
