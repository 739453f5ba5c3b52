import assert from "node:assert/strict";
import { test } from "node:test";
import type { Explanation, ExplainQuestion } from "@tsilium/policy";
import { replay, SeenConnections } from "@tsilium/policy/replay/index.ts";
import {
  entityEndpoint,
  forwarded,
  podEndpoint,
  type Someone,
  tcp,
} from "../../../../packages/policy/src/suggest/testing/seen.ts";
import { replayLines, replayView } from "./policy-replay-text.ts";

const web: Someone = {
  group: "web",
  endpoint: {
    ...podEndpoint("shop", { app: "web" }, "web-1"),
    workloads: [{ kind: "Deployment", name: "web" }],
  },
  address: "fd00:10:244::5",
};

function world(address: string): Someone {
  return { group: "world", endpoint: entityEndpoint("world", 2), address };
}

const rule = {
  kind: "CiliumNetworkPolicy",
  namespace: "shop",
  name: "web",
  path: "spec.ingressDeny[0]",
} as const;

function answer(verdict: "allowed" | "denied"): Explanation {
  const side = { verdict, rules: verdict === "denied" ? [rule] : [], defaultDenyBy: [] };
  const free = { verdict: "allowed", rules: [], defaultDenyBy: [], builtin: "not a pod" } as const;
  return { verdict, egress: free, ingress: side };
}

const seen = new SeenConnections();
for (const address of ["2001:db8::1", "2001:db8::2", "2001:db8::3"])
  for (const flow of forwarded({ from: world(address), to: web, port: tcp(443) }))
    seen.add({ ...flow, nodeName: "node-1", uuid: "u" });

function told(deny: (question: ExplainQuestion) => boolean) {
  const report = replay(seen.connections(), {
    before: { explain: () => answer("allowed"), addressClass: String },
    after: {
      explain: (question) => answer(deny(question) ? "denied" : "allowed"),
      addressClass: String,
    },
  });
  return { ...report, flows: 6, leftOutFlows: 0, lost: 0, unavailable: [], requestsLeftOut: false };
}

test("connections of the same kind are one entry, with who decides and an example", () => {
  const lines = replayLines(told(({ from }) => `${from.address}` !== "2001:db8::3"));
  assert.deepEqual(lines, [
    "world (2001:db8::1), world (2001:db8::2) -> shop/web  443/TCP  allowed -> denied",
    "    2 flows (CiliumNetworkPolicy shop/web spec.ingressDeny[0])",
    "    such as 2026-09-21T14:13:20.000Z [2001:db8::1]:40000 -> shop/web-1 [fd00:10:244::5]:443 on node-1",
    "",
    "6 flows of 3 connections: the verdict of 2 would change",
  ]);
});

test("programs get the same as data", () => {
  const view = replayView(told(({ from }) => `${from.address}` === "2001:db8::2"));
  assert.deepEqual(view, {
    connections: 3,
    recordedOtherwise: 0,
    flows: 6,
    leftOutFlows: 0,
    lost: 0,
    unavailable: [],
    requestsLeftOut: false,
    changes: [
      {
        from: { entity: "world", addresses: ["2001:db8::2"] },
        to: {
          namespace: "shop",
          labels: { app: "web" },
          workloads: ["Deployment/web"],
          addresses: ["fd00:10:244::5"],
        },
        port: "443/TCP",
        before: "allowed",
        after: "denied",
        by: [rule],
        flows: 1,
        connections: 1,
        example: {
          time: "2026-09-21T14:13:20.000Z",
          uuid: "u",
          nodeName: "node-1",
          text: "2026-09-21T14:13:20.000Z [2001:db8::2]:40000 -> shop/web-1 [fd00:10:244::5]:443 on node-1",
        },
      },
    ],
  });
});

test("nothing changes where both say the same", () => {
  assert.deepEqual(replayLines(told(() => false)), [
    "6 flows of 3 connections: no verdict changes",
  ]);
});

test("of rules that look into requests it says that those were not compared", () => {
  assert.deepEqual(replayLines({ ...told(() => false), requestsLeftOut: true }), [
    "6 flows of 3 connections: no verdict changes",
    "connections only: without --since and --flows, requests are compared too",
  ]);
});
