import assert from "node:assert/strict";
import { test } from "node:test";
import type { ListenerRules, MovedConnection } from "@tsilium/proxy/model.ts";
import type { Direction, RuleSetKind } from "@tsilium/policy/model.ts";
import { ProxyManager } from "./manager.ts";
import { type Acknowledgement, seatOf, seatOfPort, type WantedRules } from "./model.ts";
import type { Seat } from "./seat.ts";

function rules(port: number, kind: RuleSetKind, direction: Direction = "egress"): ListenerRules {
  const ruleSet = { kind, direction, audit: false, denyRule: 1, rules: [] };
  return { port, version: 1, ruleSet: ruleSet as unknown as ListenerRules["ruleSet"] };
}

function make() {
  const told: string[] = [];
  const acks: Acknowledgement[] = [];
  const manager = new ProxyManager({
    onAcknowledged: (some) => acks.push(...some),
    makeSeat: (name) =>
      ({
        want: ({ whole, listeners, removed }: WantedRules) =>
          told.push(
            `${name}${whole ? " whole" : ""} +${listeners.map(({ port }) => port)} -${removed}`,
          ),
        move: (connections: readonly MovedConnection[]) =>
          void told.push(`${name} moves ${connections.map(({ from }) => from)}`),
      }) as unknown as Seat,
  });
  return { manager, acks, take: () => told.splice(0) };
}

test("each kind goes to the process of its direction, and all hear what is whole", () => {
  const { manager, take } = make();
  const listeners = [
    rules(10_000, "http"),
    rules(10_512, "sni"),
    rules(11_008, "http", "ingress"),
    rules(10_640, "dns"),
    rules(11_649, "kafka", "ingress"),
  ];
  manager.want({ whole: true, listeners, removed: [] });
  assert.deepEqual(take(), [
    "engine-egress whole +10000,10512 -",
    "engine-ingress whole +11008 -",
    "dns whole +10640 -",
    "kafka-egress whole + -",
    "kafka-ingress whole +11649 -",
  ]);
  manager.want({ whole: false, listeners: [], removed: [10_640] });
  assert.deepEqual(take(), ["dns + -10640"]);
});

test("what nobody enforces is acknowledged as that", () => {
  const { manager, acks } = make();
  manager.want({ whole: false, listeners: [rules(11_648, "dns", "ingress")], removed: [] });
  assert.deepEqual(acks, [
    { port: 11_648, version: 1, problem: "rules of dns are not enforced for ingress" },
  ]);
});

test("connections are moved by whoever accepted them, also when their rules are gone", async () => {
  const { manager, take } = make();
  const from = (port: number) => ({ from: port, to: 0 }) as MovedConnection;
  await manager.move([from(10_000), from(11_649), from(10_001), from(9)]);
  assert.deepEqual(take(), ["engine-egress moves 10000,10001", "kafka-ingress moves 11649"]);
});

test("ports say whose they are", () => {
  assert.equal(seatOfPort(10_247), "engine-egress");
  // Kubernetes' own, and unused ones after them.
  assert.deepEqual([seatOfPort(10_250), seatOfPort(10_511)], [undefined, undefined]);
  assert.equal(seatOfPort(11_520), "engine-ingress");
  assert.equal(seatOfPort(10_700), "dns");
  assert.equal(seatOfPort(11_648), undefined);
  assert.equal(seatOfPort(80), undefined);
  assert.equal(seatOf({ kind: "dns", direction: "ingress" }), undefined);
});
