// What lint takes for covered really is: whoever the narrower one matches the wider one matches too.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Address, Labels, Prefix } from "@tsilium/net";
import { repeat, type Random } from "@tsilium/testkit";
import { selects } from "../compile/selectors.ts";
import type { LabelSelector, Peer, PortMatch } from "../model.ts";
import { peersCover } from "./peer-covers.ts";
import { portsCover } from "./port-covers.ts";
import { isContradiction, selectorCovers } from "./selector-covers.ts";

const keys = ["app", "io.kubernetes.pod.namespace"];
const values = ["a", "b", "c"];

function some<T>(random: Random, below: number, make: () => T): T[] {
  return Array.from({ length: random.below(below) }, make);
}

function randomSelector(random: Random): LabelSelector {
  return some(random, 4, () => {
    const operator = random.pick(["In", "NotIn", "Exists", "DoesNotExist"] as const);
    const wanted = operator.endsWith("In") ? values.filter(() => random.chance(0.5)) : [];
    const source = random.pick(["k8s", "any", "container"]);
    return { source, key: random.pick(keys), operator, values: wanted };
  }).filter(({ operator, values: wanted }) => !operator.endsWith("In") || wanted.length > 0);
}

/** Derived keys have the source k8s and no other, as identities have them. */
function randomLabels(random: Random): Labels {
  return Labels.of(
    some(random, 4, () => {
      const key = random.pick(keys);
      const source = key === "app" ? random.pick(["k8s", "container"]) : "k8s";
      return { source, key, value: random.pick(values) };
    }),
  );
}

test("whoever a covered selector selects the covering one selects too", () => {
  let covered = 0;
  repeat({ runs: 4000 }, (random) => {
    const [wide, narrow] = [randomSelector(random), randomSelector(random)];
    if (!selectorCovers(wide, narrow)) return;
    covered += 1;
    for (let count = 0; count < 20; count++) {
      const labels = randomLabels(random);
      if (selects(narrow, labels))
        assert.ok(selects(wide, labels), JSON.stringify({ wide, narrow, labels }));
    }
  });
  assert.ok(covered > 20, `only ${covered} were`);
});

test("a selector that is said to be impossible selects nobody", () => {
  let impossible = 0;
  repeat({ runs: 4000 }, (random) => {
    const selector = randomSelector(random);
    if (!isContradiction(selector)) return;
    impossible += 1;
    for (let count = 0; count < 20; count++)
      assert.ok(!selects(selector, randomLabels(random)), JSON.stringify(selector));
  });
  assert.ok(impossible > 20, `only ${impossible} were`);
});

function randomPorts(random: Random): PortMatch[] {
  return some(random, 4, () => {
    const first = random.below(6);
    const protocol = random.pick([6, 17]);
    return { kind: "range", protocol, first, last: first + random.below(5) };
  });
}

const hasPort = (ports: readonly PortMatch[], protocol: number, port: number) =>
  ports.some(
    (match) =>
      match.kind === "range" &&
      match.protocol === protocol &&
      match.first <= port &&
      port <= match.last,
  );

test("ports are covered exactly when each of them is", () => {
  repeat({ runs: 2000 }, (random) => {
    const [wide, narrow] = [randomPorts(random), randomPorts(random)];
    const expected = [6, 17].every((protocol) =>
      Array.from({ length: 12 }, (_, port) => port).every(
        (port) => !hasPort(narrow, protocol, port) || hasPort(wide, protocol, port),
      ),
    );
    assert.equal(portsCover(wide, narrow), expected, JSON.stringify({ wide, narrow }));
  });
});

function randomBlock(random: Random): Peer {
  const within = (length: number) =>
    Prefix.of(Address.parse(`10.0.0.${random.below(16)}`), length, { mask: true });
  const prefix = within(28 + random.below(4));
  const except = some(random, 3, () => within(30 + random.below(3)));
  return { kind: "cidr", prefix, except, scope: random.pick(["any", "external"]) };
}

const hasAddress = (peer: Peer, address: Address) =>
  peer.kind === "cidr" &&
  peer.prefix.contains(address) &&
  !peer.except.some((except) => except.contains(address));

test("whoever a covered block holds the covering one holds too", () => {
  let covered = 0;
  repeat({ runs: 4000 }, (random) => {
    const [wide, narrow] = [randomBlock(random), randomBlock(random)];
    if (!peersCover([wide], [narrow])) return;
    covered += 1;
    for (let host = 0; host < 16; host++) {
      const address = Address.parse(`10.0.0.${host}`);
      if (hasAddress(narrow, address))
        assert.ok(hasAddress(wide, address), JSON.stringify({ wide, narrow, address }));
    }
  });
  assert.ok(covered > 20, `only ${covered} were`);
});

test("nobody is covered by everybody, and everybody by nobody but everybody", () => {
  const block: Peer = {
    kind: "cidr",
    prefix: Prefix.parse("10.0.0.0/8"),
    except: [],
    scope: "any",
  };
  const all: Peer = { kind: "labels", selector: [] };
  assert.ok(peersCover(undefined, [block]));
  assert.ok(peersCover([all], undefined));
  assert.ok(!peersCover([block], undefined));
  assert.ok(!peersCover([block], [all]));
  assert.ok(peersCover([], []));
});
