// Which CiliumIdentities there are, and since when nobody has used them.
import { unusedAnnotation } from "@tsilium/identity/model.ts";
import { type CiliumEndpoint, type CiliumIdentity, objectKey } from "@tsilium/kube";
import { type IdentityFacts, judge, type Verdict } from "./decide.ts";

/** An identity as it was last seen: what deleting and marking it are bound to. */
export type KnownIdentity = {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** See IdentityFacts. */
  readonly markedAtMs: number | undefined;
};

export type DueIdentity = KnownIdentity & { readonly verdict: Exclude<Verdict, "keep"> };

/** Says what it was told; asks nobody. Times are milliseconds of one clock. */
export class IdentityBook {
  readonly #identities = new Map<string, KnownIdentity>();
  readonly #unusedSinceMs = new Map<string, number>();
  /** Number of the identity, by CiliumEndpoint. */
  readonly #identityOf = new Map<string, string>();
  readonly #uses = new Map<string, number>();

  get size(): number {
    return this.#identities.size;
  }

  identitySeen(object: CiliumIdentity, nowMs: number): void {
    const known = knownOf(object);
    const before = this.#identities.get(known.name);
    this.#identities.set(known.name, known);
    // Somebody took its mark off: it is needed, whoever by.
    const claimed = before?.markedAtMs !== undefined && known.markedAtMs === undefined;
    if (before?.uid !== known.uid || claimed) this.#unusedSinceMs.set(known.name, nowMs);
  }

  identityGone({ metadata: { name = "" } }: CiliumIdentity): void {
    this.#identities.delete(name);
    this.#unusedSinceMs.delete(name);
  }

  endpointSeen(endpoint: CiliumEndpoint, nowMs: number): void {
    const key = objectKey(endpoint);
    const id = endpoint.status?.identity?.id;
    const next = id === undefined ? undefined : String(id);
    const before = this.#identityOf.get(key);
    if (before === next) return;
    if (next === undefined) this.#identityOf.delete(key);
    else {
      this.#identityOf.set(key, next);
      this.#uses.set(next, (this.#uses.get(next) ?? 0) + 1);
    }
    if (before !== undefined) this.#unuse(before, nowMs);
  }

  endpointGone(endpoint: CiliumEndpoint, nowMs: number): void {
    const key = objectKey(endpoint);
    const id = this.#identityOf.get(key);
    this.#identityOf.delete(key);
    if (id !== undefined) this.#unuse(id, nowMs);
  }

  isUsed(name: string): boolean {
    return this.#uses.has(name);
  }

  /** What there is to do, longest unused first: a mark that is old is worth more than one that is to be made. */
  due(nowMs: number, windowMs: number): DueIdentity[] {
    const due: { readonly identity: DueIdentity; readonly sinceMs: number }[] = [];
    for (const identity of this.#identities.values()) {
      const verdict = judge(this.#factsOf(identity), nowMs, windowMs);
      if (verdict === "keep") continue;
      const sinceMs = this.#unusedSinceMs.get(identity.name) ?? nowMs;
      due.push({ identity: { ...identity, verdict }, sinceMs });
    }
    return due.toSorted((a, b) => a.sinceMs - b.sinceMs).map(({ identity }) => identity);
  }

  /** Whether it is still as it was when it was due, and nobody has begun to use it. */
  stands({ name, uid, resourceVersion }: KnownIdentity): boolean {
    const now = this.#identities.get(name);
    return now?.uid === uid && now.resourceVersion === resourceVersion && !this.isUsed(name);
  }

  /** How many there are, by what is known of them. */
  counts(): { used: number; unused: number; marked: number } {
    const counts = { used: 0, unused: 0, marked: 0 };
    for (const { name, markedAtMs } of this.#identities.values()) {
      if (this.isUsed(name)) counts.used++;
      else if (markedAtMs === undefined) counts.unused++;
      else counts.marked++;
    }
    return counts;
  }

  #factsOf({ name, markedAtMs }: KnownIdentity): IdentityFacts {
    return {
      used: this.isUsed(name),
      unusedSinceMs: this.#unusedSinceMs.get(name) ?? Number.POSITIVE_INFINITY,
      ...(markedAtMs === undefined ? {} : { markedAtMs }),
    };
  }

  #unuse(name: string, nowMs: number): void {
    const left = (this.#uses.get(name) ?? 1) - 1;
    if (left > 0) return void this.#uses.set(name, left);
    this.#uses.delete(name);
    if (this.#identities.has(name)) this.#unusedSinceMs.set(name, nowMs);
  }
}

function knownOf({ metadata }: CiliumIdentity): KnownIdentity {
  const { name = "", uid = "", resourceVersion = "", annotations } = metadata;
  const mark = annotations?.[unusedAnnotation];
  return {
    name,
    uid,
    resourceVersion,
    markedAtMs: mark === undefined ? undefined : Date.parse(mark),
  };
}
