// Past bypasses of systems of this kind on the paths of services, with policy on. Each test is named after its row in
// docs/security.md.
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { heldPolicy, rule, slots } from "./held-policy.ts";
import { type Attempt, TestNode } from "./node.ts";
import { anyNode, type FrontendSpec, type Place, type ServiceSpec } from "./service-spec.ts";
import {
  clusterIp,
  dsrOption,
  external,
  fromB,
  hairpin,
  inner,
  segment,
  stacked,
  wire,
  withOptions,
} from "./service-world.ts";
import { type PacketLike, toBytes } from "./table.ts";
import {
  a,
  b,
  type Family,
  fromA,
  identities,
  macs,
  node as nodeAddress,
  otherNode,
  type Party,
  remotePod,
  router,
  subjects,
  world,
} from "./world.ts";

const services = { ...plainServices, nodePort: true, dsr: "opt" } as const;
const tunnelling = new TestNode({ services });
const native = new TestNode({ routingMode: "native", services });
after(() => tunnelling[Symbol.dispose]());
after(() => native[Symbol.dispose]());

const client = 40000;
const modes = { "in tunnel mode": tunnelling, "with native routing": native };
const identity = { host: 1, world: 2, remoteNode: 6 };
const worldOf = { 4: 9, 6: 10 };
const otherRouter: Party = { 4: "10.244.1.1", 6: "fd00:10:244:1::1" };

/** Every address that a service of this number can be had by: cluster IP, node port here and elsewhere, and so on. */
const doors = (number: number) =>
  ({
    "a cluster IP": { at: clusterIp(number), port: 80, kind: "cluster-ip" },
    "a load balancer's or gateway's address": { at: external(number), port: 80, kind: "external" },
    "an external IP that is the node's": { at: nodeAddress, port: 7000 + number, kind: "external" },
    "a node port": { at: nodeAddress, port: 30000 + number, kind: "node-port" },
    "a host port": { at: nodeAddress, port: 8000 + number, kind: "host-port" },
    "another node's node port": {
      at: anyNode,
      port: 30000 + number,
      kind: "node-port",
      dsr: true,
    },
    "an address that is answered directly": {
      at: external(100 + number),
      port: 80,
      kind: "external",
      dsr: true,
    },
  }) as const satisfies Record<string, FrontendSpec>;
type Door = keyof ReturnType<typeof doors>;
const names = Object.keys(doors(0)) as Door[];
/** How a pod names it. */
const asked = (number: number, name: Door): Place => {
  const door: Place = doors(number)[name];
  return door.at === anyNode ? { ...door, at: otherNode } : door;
};
const fromOutside = names.filter(
  (name) => name !== "a cluster IP" && name !== "another node's node port",
);

const numbers = { b: 1, remotePod: 2, itself: 3 };
const specs = Object.entries({ b, remotePod, itself: a }).map(([who, at]): ServiceSpec => ({
  frontends: Object.values(doors(numbers[who as keyof typeof numbers])),
  protocols: ["tcp", "udp"],
  backends: [{ at, port: 8080 }],
}));

for (const [mode, node] of Object.entries(modes))
  describe(mode, () => {
    const { slot, hold, release } = heldPolicy(node);
    beforeEach(release);
    beforeEach(() => node.services.set(specs));

    const verdict = (attempt: Omit<Attempt, "packet"> & { readonly packet: PacketLike }) =>
      node.try({ ...attempt, packet: toBytes(attempt.packet) }).verdict;
    const pod = (family: Family, { at, port }: Place) =>
      verdict({
        hook: "from_container",
        packet: segment(fromA(family, at), "tcp", { sport: client, dport: port }),
      });
    const outside = (family: Family, { at, port }: Place, from = world) =>
      verdict({
        hook: "from_netdev",
        packet: segment(wire(family, [from, at]), "tcp", { sport: client, dport: port }),
      });
    const sentOn = mode === "in tunnel mode" ? "redirect" : "pass";

    /** Isolates one end, which allows only peers of this identity. */
    function allowOnly(end: "aEgress" | "bIngress", peer?: number): void {
      slot(slots[end], {
        ...(peer === undefined ? {} : { rules: [rule({ class: 1 })] }),
        classes: peer === undefined ? [] : [{ identity: peer, class: 1, ignoresCidr: false }],
      });
      if (end === "aEgress") hold(subjects.a, { egress: slots.aEgress });
      else hold(subjects.b, { ingress: slots.bIngress });
    }

    for (const family of [4, 6] as const) {
      for (const name of names) {
        test(`CVE-2025-30162: IPv${family}: through ${name} egress policy holds`, () => {
          allowOnly("aEgress", identities.remotePod);
          assert.equal(pod(family, asked(numbers.b, name)), "drop 133");
          assert.equal(pod(family, asked(numbers.remotePod, name)), sentOn);
          release();
          allowOnly("aEgress", identities.b);
          assert.equal(pod(family, asked(numbers.b, name)), "redirect");
          assert.equal(pod(family, asked(numbers.remotePod, name)), "drop 133");
        });

        test(`Service paths: IPv${family}: through ${name} a pod meets the policy of the pod behind it`, () => {
          allowOnly("bIngress");
          assert.equal(pod(family, asked(numbers.b, name)), "drop 133");
          release();
          allowOnly("bIngress", identities.a);
          assert.equal(pod(family, asked(numbers.b, name)), "redirect");
        });

        test(`Service paths: IPv${family}: through ${name} a pod reaches itself, and nobody else so`, () => {
          allowOnly("aEgress");
          assert.equal(pod(family, asked(numbers.itself, name)), "redirect");
          assert.equal(pod(family, asked(numbers.b, name)), "drop 133");
        });
      }

      for (const name of fromOutside) {
        test(`Service paths: IPv${family}: through ${name} the world meets the policy of the pod behind it`, () => {
          allowOnly("bIngress");
          assert.equal(outside(family, asked(numbers.b, name)), "drop 133");
          release();
          allowOnly("bIngress", identity.world);
          assert.equal(outside(family, asked(numbers.b, name)), "redirect");
        });

        test(`CVE-2023-27594: IPv${family}: through ${name} the world is never the host, nor a node`, () => {
          for (const peer of [identity.host, identity.remoteNode]) {
            release();
            allowOnly("bIngress", peer);
            assert.equal(outside(family, asked(numbers.b, name)), "drop 133");
          }
          assert.equal(outside(family, asked(numbers.b, name), nodeAddress), "drop 132");
          assert.equal(outside(family, asked(numbers.b, name), router), "drop 132");
        });
      }

      test(`Service paths: IPv${family}: CVE-2020-8554: what a Service says of a pod's address is nothing to its packets`, () => {
        const thief: ServiceSpec = {
          frontends: [
            { at: b, port: 80, kind: "external" },
            { at: remotePod, port: 80, kind: "external" },
          ],
          backends: [{ at: a, port: 8080 }],
        };
        node.services.set([thief]);
        const own = (at: Party) => node.try({ hook: "from_container", packet: podPacket(at) });
        const podPacket = (at: Party) =>
          segment(fromA(family, at), "tcp", { sport: client, dport: 80 }).bytes();
        assert.match(own(b).packet, new RegExp(`-> ${b[family]} `));
        assert.match(own(remotePod).packet, new RegExp(`-> ${remotePod[family]} `));
        assert.equal(own(b).verdict, "redirect");
        assert.equal(own(remotePod).verdict, sentOn);
        const fromWorld = node.try({
          hook: "from_netdev",
          packet: segment(wire(family, [world, b]), "tcp", { sport: client, dport: 80 }).bytes(),
        });
        assert.equal(fromWorld.verdict, "redirect");
        assert.match(fromWorld.packet, new RegExp(`-> ${b[family]} `));
      });

      test(`Service paths: IPv${family}: a pod cannot forge the address that it hears itself from`, () => {
        assert.equal(pod(family, { at: hairpin, port: 8080 }), "drop 151");
        const asHairpin = segment(fromB(family, hairpin, a), "tcp", { sport: 1, dport: 2 });
        assert.equal(verdict({ hook: "from_container", pod: "b", packet: asHairpin }), "drop 132");
        assert.equal(outside(family, asked(numbers.b, "a node port"), hairpin), "drop 132");
      });

      test(`CVE-2026-53935: IPv${family}: when a redirect is gone services are as they were`, () => {
        const before = sorted(node.services.maps.survey());
        const redirect: ServiceSpec = {
          frontends: [
            {
              at: external(250),
              port: 53,
              kind: "host-port",
              localRedirect: true,
              exceptions: [7n],
            },
          ],
          protocols: ["tcp", "udp"],
          backends: [{ at: b, port: 8080 }],
        };
        node.services.set([...specs, redirect]);
        assert.equal(pod(family, { at: external(250), port: 53 }), "redirect");
        node.services.set(specs);
        assert.deepEqual(sorted(node.services.maps.survey()), before);
        assert.equal(pod(family, asked(numbers.b, "a cluster IP")), "redirect");
      });
    }
  });

/** Rows in an order that is not the hash tables'. */
function sorted(survey: ReturnType<TestNode["services"]["maps"]["survey"]>): string[] {
  return Object.values(survey)
    .flat()
    .map((row) =>
      Object.entries(row)
        .map(([name, value]) => `${name} ${String(value)}`)
        .join(", "),
    )
    .sort();
}

describe("who another node says a client is", () => {
  const { slot, hold, release } = heldPolicy(tunnelling);
  beforeEach(release);

  for (const family of [4, 6] as const) {
    const through = (from: Party, vni: number, options?: Uint8Array) => {
      const packet = options
        ? withOptions(family, [from, b], { options })
        : inner(family, [from, b]);
      return tunnelling.try({
        hook: "from_overlay",
        tunnel: { outerSource: otherNode[4], vni },
        packet: segment(packet, "tcp", { sport: client, dport: 8080 }).bytes(),
      }).verdict;
    };
    const allowOnly = (peer: number) => {
      release();
      slot(slots.bIngress, {
        rules: [rule({ class: 1 })],
        classes: [{ identity: peer, class: 1, ignoresCidr: false }],
      });
      hold(subjects.b, { ingress: slots.bIngress });
    };

    test(`CVE-2023-27594: IPv${family}: the world is never a node because a node stands in for it`, () => {
      for (const peer of [identity.host, identity.remoteNode]) {
        allowOnly(peer);
        assert.equal(through(otherRouter, worldOf[family]), "drop 133");
      }
      allowOnly(worldOf[family]);
      assert.equal(through(otherRouter, worldOf[family]), "redirect");
    });

    test(`CVE-2023-27594: IPv${family}: nor because it is answered directly`, () => {
      tunnelling.services.set(specs);
      const { at, port } = doors(numbers.b)["an address that is answered directly"];
      const options = dsrOption(family, { at, port });
      for (const peer of [identity.host, identity.remoteNode]) {
        allowOnly(peer);
        assert.equal(through(world, worldOf[family], options), "drop 133");
      }
      allowOnly(worldOf[family]);
      assert.equal(through(world, worldOf[family], options), "redirect");
    });
  }
});

describe("what a packet says of its frontend", () => {
  const { release } = heldPolicy(native);
  beforeEach(release);
  beforeEach(() => native.services.set(specs));
  const victim: Party = { 4: "203.0.113.200", 6: "2001:db8:113::200" };
  const elsewhere: Place = { at: otherNode, port: 30000 + numbers.b };

  /** From the victim's address, as anybody on the underlay can write it. */
  const forge = (node: TestNode, family: Family, to: Party, dport: number, place: Place) =>
    node.try({
      hook: "from_netdev",
      packet: segment(
        withOptions(family, [victim, to], {
          options: dsrOption(family, place),
          dst: macs.here,
        }),
        "tcp",
        { sport: 443, dport, flags: "SYN" },
      ).bytes(),
    });

  for (const family of [4, 6] as const) {
    for (const place of [elsewhere, doors(numbers.b)["an address that is answered directly"]]) {
      const to = place === elsewhere ? "a node port" : "a service's address";

      test(`Service paths: IPv${family}: DSR: who says ${to} to the node changes none of its connections`, () => {
        const own = segment(stacked(family, [nodeAddress, victim]), "tcp", {
          sport: 45_000,
          dport: 443,
        });
        forge(native, family, nodeAddress, 45_000, place);
        const { verdict, packet } = native.try({ hook: "to_netdev", packet: own.bytes() });
        assert.equal(verdict, "untouched");
        assert.match(packet, new RegExp(`${nodeAddress[family]} -> ${victim[family]} `));
      });

      for (const when of ["before", "after"])
        test(`Service paths: IPv${family}: DSR: who says ${to} to a pod ${when} it connects changes none of its connections`, () => {
          const forgeAll = () => {
            for (const flags of ["SYN", "ACK", ["SYN", "ACK"]] as const)
              forgeWith(family, flags, place);
          };
          const ends = { sport: 45_000, dport: 443 };
          const opened = segment(fromA(family, victim), "tcp", ends).bytes();
          const leaves = segment(stacked(family, [a, victim]), "tcp", ends).bytes();
          if (when === "before") forgeAll();
          assert.equal(native.try({ hook: "from_container", packet: opened }).verdict, "pass");
          native.try({ hook: "to_netdev", packet: leaves });
          if (when === "after") forgeAll();
          const again = native.try({ hook: "to_netdev", packet: leaves });
          assert.match(again.packet, new RegExp(`${nodeAddress[family]} -> ${victim[family]} `));
          const answer = segment(wire(family, [victim, nodeAddress]), "tcp", {
            sport: 443,
            dport: 45_000,
            flags: ["SYN", "ACK"],
          }).bytes();
          const { verdict, packet } = native.try({ hook: "from_netdev", packet: answer });
          assert.equal(verdict, "redirect");
          assert.match(packet, new RegExp(`${victim[family]} -> ${a[family]} `));
        });

      function forgeWith(of: Family, flags: "SYN" | "ACK" | readonly ["SYN", "ACK"], said: Place) {
        native.try({
          hook: "from_netdev",
          packet: segment(
            withOptions(of, [victim, a], { options: dsrOption(of, said), dst: macs.here }),
            "tcp",
            { sport: 443, dport: 45_000, flags },
          ).bytes(),
        });
      }
    }

    test(`Service paths: IPv${family}: DSR: in tunnel mode the underlay says nothing that is believed`, () => {
      tunnelling.reset();
      tunnelling.allowAll();
      tunnelling.services.set(specs);
      const place = doors(numbers.b)["an address that is answered directly"];
      assert.equal(forge(tunnelling, family, b, 8080, place).verdict, "redirect");
      const answer = segment(fromB(family, b, victim), "tcp", {
        sport: 8080,
        dport: 443,
        flags: ["SYN", "ACK"],
      });
      const { verdict, packet } = tunnelling.try({
        hook: "from_container",
        pod: "b",
        packet: answer.bytes(),
      });
      assert.equal(verdict, "pass");
      assert.match(packet, new RegExp(`${b[family]} -> `));
    });
  }
});
