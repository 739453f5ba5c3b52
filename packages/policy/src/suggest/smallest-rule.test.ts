import assert from "node:assert/strict";
import { test } from "node:test";
import type { Flow } from "@tsilium/hubble/model.ts";
import { SeenConnections } from "../replay/seen-connection.ts";
import { prove } from "../replay/prove.ts";
import { smallestRule } from "./smallest-rule.ts";
import { denied, entityEndpoint, packet, podEndpoint, type Someone, tcp } from "./testing/seen.ts";

const web: Someone = {
  group: "web",
  endpoint: podEndpoint("shop", { app: "web", "pod-template-hash": "5d8" }, "web-1"),
  address: "10.244.1.5",
};
const store: Someone = {
  group: "store",
  endpoint: podEndpoint("data", { app: "store" }, "store-1"),
  address: "fd00:10:244::5",
};
const world: Someone = {
  group: "world",
  endpoint: entityEndpoint("world", 2),
  address: "2001:db8::7",
};
const node: Someone = {
  group: "node",
  endpoint: entityEndpoint("remote-node", 6),
  address: "172.18.0.3",
};

function drop(from: Someone, to: Someone, side: "egress" | "ingress", port = tcp(80)): Flow {
  return denied({ from, to, port }, side).at(-1) as Flow;
}

function yamlOf(flow: Flow): string {
  const rule = smallestRule(flow);
  assert.equal(rule.kind, "rule");
  return rule.kind === "rule" ? rule.yaml : "";
}

test("the rule that a dropped flow lacks is for the side that dropped it", () => {
  assert.equal(
    yamlOf(drop(web, store, "egress")),
    `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: allow-web-to-store-80-tcp
  namespace: shop
spec:
  endpointSelector:
    matchLabels:
      app: web
  egress:
    - toEndpoints:
        - matchLabels:
            app: store
            k8s:io.kubernetes.pod.namespace: data
      toPorts:
        - ports:
            - port: '80'
              protocol: TCP
`,
  );
  assert.match(
    yamlOf(drop(web, store, "ingress")),
    /namespace: data[^]*ingress:\n\s+- fromEndpoints/,
  );
});

test("peers are named as narrowly as rules can", () => {
  assert.match(yamlOf(drop(web, world, "egress")), /toCIDR:\n\s+- 2001:db8::7\/128/);
  assert.match(yamlOf(drop(node, web, "ingress")), /fromEntities:\n\s+- remote-node/);
  const ping = drop(web, store, "egress", { kind: "icmp6", type: 128, code: 0 });
  assert.match(yamlOf(ping), /icmps:\n\s+- fields:\n\s+- family: IPv6\n\s+type: 128/);
});

test("with the rule the flow is allowed", () => {
  for (const [from, to, side] of [
    [web, store, "egress"],
    [web, store, "ingress"],
    [web, world, "egress"],
    [world, web, "ingress"],
    [node, web, "ingress"],
  ] as const) {
    const rule = smallestRule(drop(from, to, side));
    assert.equal(rule.kind, "rule");
    if (rule.kind !== "rule") continue;
    const seen = new SeenConnections();
    seen.add(drop(from, to, side));
    const proof = prove([rule.policy], seen.connections(), {
      settings: {
        enablePolicy: "default",
        allowLocalhost: true,
        cidrMatchMode: [],
        audit: false,
        denyResponse: "drop",
        clusterName: "default",
      },
      includeDrops: true,
    });
    assert.deepEqual([proof.invalid, proof.missing], [[], []], rule.yaml);
  }
});

test("where no rule can help it says why", () => {
  const reasons = [
    { ...drop(web, store, "egress"), direction: 0 },
    { ...drop(web, store, "egress"), l4: undefined },
    { ...packet({ from: web, to: store, port: tcp(80) }, "egress"), isReply: true },
    drop(web, node, "ingress"),
    {
      ...drop(web, store, "egress"),
      destination: { ...store.endpoint, labels: [], namespace: "" },
    },
  ].map((flow) => {
    const answer = smallestRule(flow);
    return answer.kind === "none" ? answer.reason : answer.yaml;
  });
  assert.deepEqual(reasons, [
    "The flow does not say at whose side it was seen.",
    "Rules can name TCP, UDP, SCTP and ICMP only.",
    "It is a reply: these are allowed with what they answer.",
    "The side that it was seen at is not a pod.",
    "Nobody knows who was at the other end.",
  ]);
});

test("a deny rule is remarked on, since it wins over any that allows", () => {
  const by = {
    name: "no-store",
    namespace: "shop",
    labels: [],
    revision: 1,
    kind: "CiliumNetworkPolicy",
  };
  const rule = smallestRule({
    ...drop(web, store, "egress"),
    dropReason: 181,
    egressDeniedBy: [by],
  });
  assert.deepEqual(rule.kind === "rule" && rule.remarks, [
    "A deny rule of CiliumNetworkPolicy shop/no-store denies it: deny rules win over this one, so change that policy.",
  ]);
});

test("names fit the API server, whatever labels are", () => {
  const odd: Someone = {
    ...web,
    endpoint: podEndpoint("shop", { app: `${"X_".repeat(40)}` }, "x"),
  };
  const rule = smallestRule(drop(odd, store, "egress"));
  const name = rule.kind === "rule" ? rule.policy.metadata.name : "";
  assert.match(name, /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
});
