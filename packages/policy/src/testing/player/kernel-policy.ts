// The kernel's policy maps (bpf/maps/policy.h) in memory, fed by deltas, with the kernel's decision (docs/decisions/0006)
// written out. It refuses what the kernel's readers could not stand: a live slot that changes its mind.
import assert from "node:assert/strict";
import type {
  ClassEntry,
  CompiledSlot,
  Direction,
  EntryVerdict,
  PolicyDelta,
  RuleEntry,
} from "../../index.ts";

export type Decision = {
  readonly verdict: EntryVerdict | "unknown peer";
  readonly rule: number;
  /** Of a redirect. */
  readonly proxyPort?: number;
};

/** What a decision is made of. `port` is an ICMP type for ICMP. */
export type Packet = {
  readonly subject: number;
  readonly direction: Direction;
  readonly identity: number;
  readonly cidrSet: number;
  readonly protocol: number;
  readonly port: number;
};

type Slot = {
  readonly header: CompiledSlot;
  readonly classes: Map<number, ClassEntry>;
  readonly cidrClasses: Map<number, number>;
  readonly rules: Map<string, RuleEntry>;
};

const allowEverything = 1;

export class KernelPolicy {
  readonly #slots = new Map<number, Slot>();
  readonly #subjects = new Map<number, { readonly ingress: number; readonly egress: number }>();
  readonly #identities = new Set<number>();

  apply(delta: PolicyDelta): void {
    assert.deepEqual(delta.failed, [], "slots that cannot be built");
    for (const slot of delta.slots) this.#add(slot);
    for (const entry of delta.rules) this.#addRule(this.#slot(entry.slot), entry);
    for (const entry of delta.cidrClasses)
      setOnce(this.#slot(entry.slot).cidrClasses, entry.cidrSet, entry.class);
    for (const { slot, identity, class: number, ignoresCidr } of delta.classes)
      setOnce(this.#slot(slot).classes, identity, { identity, class: number, ignoresCidr });
    for (const identity of delta.known) this.#identities.add(identity);
    for (const { subject, ingress, egress } of delta.subjects) {
      for (const slot of [ingress, egress]) if (slot !== allowEverything) this.#slot(slot);
      this.#subjects.set(subject, { ingress, egress });
    }
    for (const subject of delta.removedSubjects) this.#subjects.delete(subject);
    for (const identity of delta.forgotten) this.#identities.delete(identity);
    for (const { slot, identity } of delta.removedClasses)
      this.#slots.get(slot)?.classes.delete(identity);
    for (const { slot, cidrSet } of delta.removedCidrClasses)
      this.#slots.get(slot)?.cidrClasses.delete(cidrSet);
    for (const slot of delta.removedSlots) this.#remove(slot);
  }

  decide(packet: Packet): Decision {
    const slots = this.#subjects.get(packet.subject);
    assert.ok(slots, `subject ${packet.subject} is not there`);
    const number = slots[packet.direction];
    if (number === allowEverything) return { verdict: "allow", rule: 0 };
    const { header, classes, cidrClasses, rules } = this.#slot(number);
    const entry = classes.get(packet.identity);
    if (!entry && header.knownPeersOnly && !this.#identities.has(packet.identity))
      return { verdict: "unknown peer", rule: 0 };
    const ignoresCidr = entry?.ignoresCidr ?? header.defaultIgnoresCidr;
    const looksAtAddress = header.usesCidr && !ignoresCidr;
    const peer = {
      class: entry?.class ?? 0,
      cidrClass: looksAtAddress ? (cidrClasses.get(packet.cidrSet) ?? 0) : 0,
    };
    for (const portLength of [...header.portLengths].sort((a, b) => b - a)) {
      const port = maskPort(packet.port, portLength);
      const hit = rules.get(ruleKey({ ...peer, protocol: packet.protocol, port, portLength }));
      if (hit) return decisionOf(hit);
    }
    const hit = rules.get(ruleKey({ ...peer, protocol: 0, port: 0, portLength: 0 }));
    return hit ? decisionOf(hit) : header.otherwise;
  }

  /** A slot with all that it has learnt. */
  contents(number: number): Pick<CompiledSlot, "slot" | "classes" | "cidrClasses" | "rules"> {
    const { classes, cidrClasses, rules } = this.#slot(number);
    return {
      slot: number,
      classes: [...classes.values()],
      cidrClasses: Array.from(cidrClasses, ([cidrSet, id]) => ({ cidrSet, class: id })),
      rules: [...rules.values()],
    };
  }

  header(number: number): CompiledSlot {
    return this.#slot(number).header;
  }

  /** Slots that are there without a subject: what was not removed. */
  get orphans(): number[] {
    const used = new Set(
      [...this.#subjects.values()].flatMap(({ ingress, egress }) => [ingress, egress]),
    );
    return [...this.#slots.keys()].filter((slot) => !used.has(slot));
  }

  #slot(number: number): Slot {
    const slot = this.#slots.get(number);
    assert.ok(slot, `slot ${number} is not there`);
    return slot;
  }

  #add(header: CompiledSlot): void {
    assert.ok(header.slot >= 2, `slot ${header.slot} is reserved`);
    assert.ok(!this.#slots.has(header.slot), `slot ${header.slot} is in use`);
    const slot: Slot = { header, classes: new Map(), cidrClasses: new Map(), rules: new Map() };
    for (const entry of header.classes) setOnce(slot.classes, entry.identity, entry);
    for (const entry of header.cidrClasses) setOnce(slot.cidrClasses, entry.cidrSet, entry.class);
    for (const entry of header.rules) this.#addRule(slot, entry);
    this.#slots.set(header.slot, slot);
  }

  #addRule({ header, rules }: Slot, entry: RuleEntry): void {
    const { protocol, port, portLength } = entry;
    assert.ok(portLength >= 0 && portLength <= 16, `a port of ${portLength} bits`);
    assert.equal(port, maskPort(port, portLength), "bits past the port's length");
    if (protocol === 0) assert.equal(portLength, 0, "any protocol has no ports");
    else
      assert.ok(header.portLengths.includes(portLength), `length ${portLength} is not announced`);
    const { class: number, cidrClass, verdict, response, rule, proxyPort } = entry;
    assert.equal(proxyPort !== 0, verdict === "redirect", "a redirect has a port, others do not");
    setOnce(rules, ruleKey(entry), {
      class: number,
      cidrClass,
      protocol,
      port,
      portLength,
      verdict,
      response,
      rule,
      proxyPort,
    });
  }

  #remove(number: number): void {
    assert.ok(this.#slots.delete(number), `slot ${number} was not there to remove`);
    for (const [subject, { ingress, egress }] of this.#subjects)
      assert.ok(ingress !== number && egress !== number, `subject ${subject} uses slot ${number}`);
  }
}

function decisionOf({ verdict, rule, proxyPort }: RuleEntry): Decision {
  return verdict === "redirect" ? { verdict, rule, proxyPort } : { verdict, rule };
}

function maskPort(port: number, length: number): number {
  return length === 0 ? 0 : (port >> (16 - length)) << (16 - length);
}

type RuleKey = Pick<RuleEntry, "class" | "cidrClass" | "protocol" | "port" | "portLength">;

function ruleKey(key: RuleKey): string {
  return [key.class, key.cidrClass, key.protocol, key.portLength, key.port].join(" ");
}

/** Saying the same again is no change. */
function setOnce<K, V>(map: Map<K, V>, key: K, value: V): void {
  const before = map.get(key);
  if (before !== undefined)
    assert.deepEqual(value, before, `entry ${String(key)} of a live slot changes`);
  map.set(key, value);
}
