// Brings resources into force, kind by kind, so that nothing refers to what is not there, and waits for Envoy's word on
// each:
//
//   clusters, old and new --> secrets, routes --> listeners --> (those that they name) --> clusters, new alone
import type { Resource, Resources, ResourceSet } from "./resources/resources.ts";
import type { Ads } from "./xds/ads.ts";
import type { Kind } from "./xds/kinds.ts";
import { EnvoyError } from "./error.ts";

/** Envoy refused something of a kind. What it had of that kind before is in force, as far as it says. */
export type Refused = {
  readonly kind: Kind;
  /** For people: bounded, and nothing of a Secret in it. */
  readonly reason: string;
  /** Listeners that it may be about, most likely exactly those if `named`. */
  readonly ports: readonly number[];
  readonly named: boolean;
};

/** @returns what was refused, undefined when all is in force @throws EnvoyError "not_connected", "timeout" */
export async function publish(
  ads: Ads,
  resources: Resources,
  timeoutMs: number,
): Promise<Refused | undefined> {
  const signal = AbortSignal.timeout(timeoutMs);
  const set = (kind: Kind, wanted: ResourceSet) => {
    ads.set(kind, wanted);
    return { kind, wanted };
  };
  // What Envoy has is kept until nothing refers to it.
  const before = ads.acknowledged("clusters")?.resources ?? new Map<string, Resource>();
  const both = new Map([...before, ...resources.clusters]);
  const clusters = await settled(ads, [set("clusters", both)], signal);
  if (clusters) return clusters;
  const needed = [set("secrets", resources.secrets), set("routes", resources.routes)];
  const listeners = await settled(ads, [set("listeners", resources.listeners)], signal);
  if (listeners) return listeners;
  const rest = await settled(ads, needed, signal);
  return rest ?? settled(ads, [set("clusters", resources.clusters)], signal);
}

type Wanted = { readonly kind: Kind; readonly wanted: ResourceSet };

async function settled(
  ads: Ads,
  wanted: readonly Wanted[],
  signal: AbortSignal,
): Promise<Refused | undefined> {
  for (;;) {
    // Before looking: what happens from here on is not missed.
    const event = nextEvent(ads, signal);
    const refused = wanted
      .map((one) => refusalOf(ads, one))
      .find((refusal) => refusal !== undefined);
    const done = wanted.every((one) => missing(ads, one).length === 0);
    if (refused !== undefined || done) {
      event.cancel();
      return refused;
    }
    await event.promise.catch(() => {
      throw ads.connected
        ? new EnvoyError("timeout", `Envoy has not acknowledged ${waitsFor(ads, wanted)}`)
        : new EnvoyError("not_connected", "Envoy is not connected to the agent");
    });
  }
}

/** Resources that Envoy has not said to have in force. */
function missing(ads: Ads, { kind, wanted }: Wanted): [string, Resource][] {
  const acknowledged = ads.acknowledged(kind)?.resources;
  const lacks = [...wanted].filter(([name, { bytes }]) => {
    const known = acknowledged?.get(name)?.bytes;
    return known === undefined || Buffer.compare(known, bytes) !== 0;
  });
  if (lacks.length > 0 || acknowledged === undefined) return lacks;
  // What is to go is not missing, but it must be told.
  return [...acknowledged].filter(([name]) => !wanted.has(name));
}

function waitsFor(ads: Ads, wanted: readonly Wanted[]): string {
  const names = wanted.flatMap((one) => missing(ads, one).map(([name]) => name));
  const more = names.length > 3 ? ` and ${names.length - 3} more` : "";
  return `${names.slice(0, 3).join(", ")}${more}`;
}

const longestReason = 500;

function refusalOf(ads: Ads, one: Wanted): Refused | undefined {
  const refusal = ads.refusal(one.kind);
  if (refusal === undefined) return undefined;
  const suspects = missing(ads, one);
  const named = suspects.filter(([name]) => mentions(refusal.reason, name));
  const meant = named.length > 0 ? named : suspects;
  const ports = [...new Set(meant.flatMap(([, { ports: needing }]) => [...needing]))];
  // Envoy quotes what it was given.
  const secret = [...one.wanted.values()].some(({ secret: holds }) => holds);
  const told = secret
    ? "its reason is withheld, since resources of this kind hold secrets"
    : readable(refusal.reason);
  return {
    kind: one.kind,
    reason: `Envoy refused ${one.kind}: ${told}`,
    ports,
    named: named.length > 0,
  };
}

function mentions(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1))
    if (!/[\w.%,/-]/.test(text.charAt(at + name.length))) return true;
  return false;
}

function readable(text: string): string {
  const line = text.replace(/[^\x20-\x7e]+/g, " ").trim();
  return line.length > longestReason ? `${line.slice(0, longestReason)}...` : line;
}

function nextEvent(ads: Ads, signal: AbortSignal) {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(signal.reason);
  const stop = ads.on(() => done(resolve));
  const done = (end: () => void) => {
    stop();
    signal.removeEventListener("abort", abort);
    end();
  };
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  promise.catch(() => undefined).finally(stop);
  return { promise, cancel: () => done(resolve) };
}
