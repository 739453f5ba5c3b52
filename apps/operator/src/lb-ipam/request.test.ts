// What services ask for, and which of them are served.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Service, ServiceSpec } from "@tsilium/kube";
import { isServed, readRequest, type RequestOptions } from "./request.ts";

const dual: RequestOptions = { families: [4, 6], servesClassless: true };

const service = (
  spec: Partial<ServiceSpec>,
  annotations: Record<string, string> = {},
): Service => ({
  metadata: { name: "web", namespace: "shop", labels: { color: "red" }, annotations },
  spec: { type: "LoadBalancer", ...spec },
});

/** sentence, spec, served by default, served with default-lb-service-ipam none */
const served: readonly (readonly [string, Partial<ServiceSpec>, boolean, boolean])[] = [
  ["a load balancer without a class", {}, true, false],
  [
    "one for the BGP control plane",
    { loadBalancerClass: "io.cilium/bgp-control-plane" },
    true,
    true,
  ],
  ["one for the L2 announcer", { loadBalancerClass: "io.cilium/l2-announcer" }, true, true],
  ["one of another class", { loadBalancerClass: "example.com/lb" }, false, false],
  ["a NodePort", { type: "NodePort" }, false, false],
];
for (const [sentence, spec, byDefault, without] of served) {
  test(`served: ${sentence}`, () => {
    assert.equal(isServed(service(spec), dual), byDefault);
    assert.equal(isServed(service(spec), { ...dual, servesClassless: false }), without);
  });
}

/** sentence, spec, families of the cluster, families asked for */
const families: readonly (readonly [
  string,
  Partial<ServiceSpec>,
  RequestOptions["families"],
  string,
])[] = [
  ["says nothing", {}, [4, 6], "4"],
  ["says nothing where there is no IPv4", {}, [6], "6"],
  ["wants IPv6", { ipFamilyPolicy: "SingleStack", ipFamilies: ["IPv6"] }, [4, 6], "6"],
  ["prefers both", { ipFamilyPolicy: "PreferDualStack" }, [4, 6], "4 6"],
  ["prefers both of which there is one", { ipFamilyPolicy: "PreferDualStack" }, [6], "6"],
  [
    "prefers both and names one",
    { ipFamilyPolicy: "PreferDualStack", ipFamilies: ["IPv6"] },
    [4, 6],
    "6",
  ],
  [
    "wants both",
    { ipFamilyPolicy: "RequireDualStack", ipFamilies: ["IPv6", "IPv4"] },
    [4, 6],
    "4 6",
  ],
];
for (const [sentence, spec, available, expected] of families) {
  test(`a service that ${sentence} asks for ${expected}`, () => {
    const request = readRequest(service(spec), { ...dual, families: available });
    assert.equal(request.families.join(" "), expected);
  });
}

test("addresses are named by the annotation, its older name, and the field", () => {
  const named = (spec: Partial<ServiceSpec>, annotations: Record<string, string>) => {
    const { requested, unreadable } = readRequest(service(spec, annotations), dual);
    return `${requested.join(" ")} | ${unreadable.join(" ")}`;
  };
  const [newer, older] = ["lbipam.cilium.io/ips", "io.cilium/lb-ipam-ips"];
  assert.equal(named({}, { [newer]: "192.0.2.1, 2001:DB8::1" }), "192.0.2.1 2001:db8::1 | ");
  assert.equal(named({}, { [older]: "192.0.2.1" }), "192.0.2.1 | ");
  assert.equal(named({}, { [older]: "192.0.2.1", [newer]: "192.0.2.2" }), "192.0.2.2 | ");
  assert.equal(
    named({ loadBalancerIP: "192.0.2.9" }, { [newer]: "192.0.2.9,x,,192.0.2.1" }),
    "192.0.2.9 192.0.2.1 | x",
  );
});

test("what decides about sharing is read, and what pools select by", () => {
  const request = readRequest(
    service(
      {
        ports: [{ port: 80 }, { port: 53, protocol: "UDP" }],
        externalTrafficPolicy: "Local",
        selector: { app: "web" },
      },
      {
        "lbipam.cilium.io/sharing-key": "k",
        "lbipam.cilium.io/sharing-cross-namespace": "a, b",
      },
    ),
    dual,
  );
  const { labels, sharingKey, crossNamespace, ports, externalTrafficPolicy, selector } = request;
  assert.deepEqual(
    { labels, sharingKey, crossNamespace, ports, externalTrafficPolicy, selector },
    {
      labels: {
        color: "red",
        "io.kubernetes.service.name": "web",
        "io.kubernetes.service.namespace": "shop",
      },
      sharingKey: "k",
      crossNamespace: ["a", "b"],
      ports: ["TCP/80", "UDP/53"],
      externalTrafficPolicy: "Local",
      selector: { app: "web" },
    },
  );
});
