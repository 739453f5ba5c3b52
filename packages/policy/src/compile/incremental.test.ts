import assert from "node:assert/strict";
import { test } from "node:test";
import type { Address } from "@tsilium/net";
import { type Random, repeat } from "@tsilium/testkit";
import type {
  CidrGroup,
  Direction,
  PeerIdentity,
  Policy,
  PolicyService,
  PolicySettings,
  Subject,
} from "../model.ts";
import { refKey } from "../model.ts";
import {
  addresses,
  interestingPorts,
  reserved,
  someGroup,
  someIdentity,
  somePolicy,
  someService,
  someSettings,
  someSubject,
} from "./testing/generate.ts";
import type { RuleSetPorts } from "./rule-set-ports.ts";
import { FewPorts } from "./testing/few-ports.ts";
import { TestNode } from "./testing/node.ts";
import { twinVerdict } from "./testing/twin.ts";
import { namedRuleSet } from "./testing/twin-l7.ts";

/** What a compiler was told, to tell another, and the twin. */
class World {
  readonly settings: PolicySettings;
  readonly policies = new Map<string, Policy>();
  readonly identities = new Map<number, PeerIdentity>(reserved.map((peer) => [peer.id, peer]));
  readonly subjects = new Map<number, Subject>();
  readonly cidrGroups = new Map<string, CidrGroup>();
  readonly services = new Map<string, PolicyService>();

  constructor(settings: PolicySettings) {
    this.settings = settings;
  }

  /** A compiler that is told everything at once. */
  fresh(ports?: RuleSetPorts): TestNode {
    const node = new TestNode(this.settings, addresses, ports);
    for (const policy of this.policies.values()) node.compiler.setPolicy(policy);
    for (const identity of this.identities.values()) node.compiler.setIdentity(identity);
    for (const subject of this.subjects.values()) node.compiler.setSubject(subject);
    for (const group of this.cidrGroups.values()) node.compiler.setCidrGroup(group);
    for (const service of this.services.values()) node.compiler.setService(service);
    node.commit();
    return node;
  }

  /** Something else than before, said to the compiler too. */
  change(random: Random, { compiler }: TestNode): void {
    switch (random.below(11)) {
      case 0:
      case 1:
      case 2: {
        const policy = somePolicy(random, `p${random.below(6)}`);
        this.policies.set(refKey(policy.ref), policy);
        return compiler.setPolicy(policy);
      }
      case 3: {
        const [key, policy] = pickEntry(random, this.policies) ?? [];
        if (key === undefined || !policy) return;
        this.policies.delete(key);
        return compiler.deletePolicy(policy.ref);
      }
      case 4:
      case 5: {
        const identity = someIdentity(random, 300 + random.below(8));
        this.identities.set(identity.id, identity);
        return compiler.setIdentity(identity);
      }
      case 6: {
        const id = 300 + random.below(8);
        this.identities.delete(id);
        return compiler.deleteIdentity(id);
      }
      case 7: {
        const subject = someSubject(random, 1 + random.below(4));
        this.subjects.set(subject.id, subject);
        return compiler.setSubject(subject);
      }
      case 8: {
        const id = 1 + random.below(4);
        this.subjects.delete(id);
        return compiler.deleteSubject(id);
      }
      case 9: {
        const group = someGroup(random, random.pick(["g1", "g2"]));
        if (random.chance(0.3)) {
          this.cidrGroups.delete(group.name);
          return compiler.deleteCidrGroup(group.name);
        }
        this.cidrGroups.set(group.name, group);
        return compiler.setCidrGroup(group);
      }
      default: {
        const service = someService(random, random.pick(["s1", "s2"]));
        const key = `${service.namespace}/${service.name}`;
        if (random.chance(0.3)) {
          this.services.delete(key);
          return compiler.deleteService(service.namespace, service.name);
        }
        this.services.set(key, service);
        return compiler.setService(service);
      }
    }
  }
}

type Case = {
  readonly subject: Subject;
  readonly direction: Direction;
  readonly peer: PeerIdentity;
  readonly address: Address;
  readonly protocol: number;
  readonly port: number;
};

/** Every subject, direction and peer, each at some address and a few ports. */
function* casesOf(world: World, random: Random): Generator<Case, void> {
  for (const subject of world.subjects.values())
    for (const direction of ["ingress", "egress"] as const)
      for (const peer of world.identities.values()) {
        const address = random.pick(addresses);
        for (const protocol of [6, 17, 1, 47]) {
          const port = protocol === 1 ? random.pick([0, 8]) : random.pick(interestingPorts);
          yield { subject, direction, peer, address, protocol, port };
        }
      }
}

/** Rule sets with names instead of numbers. */
function decide(node: TestNode, { subject, peer, ...packet }: Case) {
  const { ruleSet, ...answer } = node.decide({
    subject: subject.id,
    identity: peer.id,
    ...packet,
  });
  const asked = node.compiler.decide(subject.id, packet.direction, {
    identity: peer.id,
    cidrSet: node.cidrSetOf(packet.address),
    protocol: packet.protocol,
    port: packet.port,
  });
  assert.equal(asked?.verdict ?? "unknown peer", answer.verdict, "the compiler asked directly");
  assert.equal(node.compiler.ruleSet(asked?.proxyPort ?? 0), ruleSet);
  if (answer.verdict !== "redirect") return answer;
  assert.ok(ruleSet, "a redirect without a rule set");
  const nameOf = (rule: number) => node.compiler.ruleName(rule);
  return { ...answer, ruleSet: namedRuleSet(ruleSet, nameOf) };
}

function textOf({ subject, direction, peer, address, protocol, port }: Case): string {
  return `${direction} of subject ${subject.id}, peer ${peer.id} at ${address}, ${protocol}/${port}`;
}

function pickEntry<K, V>(random: Random, map: ReadonlyMap<K, V>): [K, V] | undefined {
  const entries = [...map];
  return entries.length > 0 ? random.pick(entries) : undefined;
}

test("after any sequence of changes every packet is decided as the twin says, for the reason it says", () => {
  repeat({ runs: 40 }, (random) => {
    const world = new World(someSettings(random));
    const node = world.fresh();
    for (let round = 0; round < 12; round++) {
      for (let changes = 1 + random.below(6); changes > 0; changes--) world.change(random, node);
      node.commit();
      assert.deepEqual(node.kernel.orphans, []);
      for (const packet of casesOf(world, random)) {
        const expected = twinVerdict(
          {
            settings: world.settings,
            policies: [...world.policies.values()],
            cidrGroups: [...world.cidrGroups.values()],
            services: [...world.services.values()],
          },
          packet,
        );
        assert.deepEqual(decide(node, packet), expected, textOf(packet));
      }
    }
  });
});

test("a compiler that was told bit by bit decides as one that was told all at once", () => {
  repeat({ runs: 15 }, (random) => {
    const world = new World(someSettings(random));
    const node = world.fresh();
    for (let round = 0; round < 8; round++) {
      for (let changes = 1 + random.below(8); changes > 0; changes--) world.change(random, node);
      node.commit();
    }
    const fresh = world.fresh();
    assert.deepEqual(
      [...node.compiler.prefixes().keys()].sort(),
      [...fresh.compiler.prefixes().keys()].sort(),
    );
    for (const packet of casesOf(world, random))
      assert.deepEqual(decide(node, packet), decide(fresh, packet), textOf(packet));
  });
});

test("what a slot decides for a peer that it knows never changes while the slot is in use", () => {
  repeat({ runs: 20 }, (random) => {
    const world = new World(someSettings(random));
    const node = world.fresh();
    for (let round = 0; round < 12; round++) {
      const known = new Map(world.identities);
      const before = [...casesOf(world, random)].map((packet) => ({
        packet,
        slot: slotNumber(node, packet),
        answer: decide(node, packet),
      }));
      for (let changes = 1 + random.below(3); changes > 0; changes--) world.change(random, node);
      node.commit();
      for (const { packet, slot, answer } of before) {
        const isSame = world.identities.get(packet.peer.id) === known.get(packet.peer.id);
        if (isSame && slotNumber(node, packet) === slot)
          assert.deepEqual(decide(node, packet), answer, textOf(packet));
      }
    }
  });
});

function slotNumber({ compiler }: TestNode, { subject, direction }: Case): number {
  return compiler.slotsOf(subject.id)[direction].slot;
}

test("nobody gets through as a stranger who is denied or sent through a proxy once he is known", () => {
  repeat({ runs: 40 }, (random) => {
    const world = new World(someSettings(random));
    const node = world.fresh();
    for (let changes = 30; changes > 0; changes--) world.change(random, node);
    node.commit();
    const stranger = someIdentity(random, 999);
    const asStranger = [...casesOf(world, random)].map((packet) => {
      const asked = { ...packet, peer: stranger };
      return { asked, answer: decide(node, asked) };
    });
    world.identities.set(stranger.id, stranger);
    node.compiler.setIdentity(stranger);
    node.commit();
    for (const { asked, answer } of asStranger) {
      const known = decide(node, asked);
      const isProxied = "ruleSet" in known && !known.ruleSet.audit;
      if (known.verdict !== "deny" && !isProxied) continue;
      const asBad = ["deny", "unknown peer", ...(isProxied ? ["redirect"] : [])];
      assert.ok(asBad.includes(answer.verdict), textOf(asked));
    }
  });
});

test("with few listeners what needs another is denied and nothing else is different, until there are enough", () => {
  let denied = 0;
  repeat({ runs: 40 }, (random) => {
    const world = new World(someSettings(random));
    const few = new FewPorts(random.below(2));
    const node = world.fresh(few);
    for (let round = 0; round < 6; round++) {
      for (let changes = 10; changes > 0; changes--) world.change(random, node);
      node.commit();
      const free = world.fresh();
      for (const packet of casesOf(world, random)) {
        const [answer, expected] = [decide(node, packet), decide(free, packet)];
        if (!("ruleSet" in expected) || answer.verdict === "redirect") {
          assert.deepEqual(answer, expected, textOf(packet));
          continue;
        }
        denied++;
        assert.equal(answer.verdict, expected.ruleSet.audit ? "audit" : "deny", textOf(packet));
        assert.equal(answer.name?.kind, "default-deny");
      }
      assert.deepEqual(node.kernel.orphans, []);
    }
    few.most = 1000;
    do node.commit();
    while (node.compiler.hasListenersForMore);
    assert.deepEqual(node.compiler.missingListeners(), []);
    const enough = world.fresh();
    for (const packet of casesOf(world, random))
      assert.deepEqual(decide(node, packet), decide(enough, packet), textOf(packet));
  });
  assert.ok(denied > 10, `${denied}`);
});
