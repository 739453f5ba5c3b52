// Local redirect policies, case by case: over a service's cluster IPs, and of addresses.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CiliumLocalRedirectPolicy } from "@tsilium/kube";
import { Prefix } from "@tsilium/net";
import { context, contextWith, pod, type PodParts, service, slice } from "../testing/build.ts";
import { frontendLines, warningLines } from "../testing/text.ts";
import type { LocalPod, ServiceContext } from "./context.ts";
import { decideRedirect } from "./redirect.ts";
import { decideService } from "./service.ts";

type PolicyParts = {
  readonly name?: string;
  readonly age?: number;
  readonly frontend: object;
  readonly ports?: readonly object[];
  readonly skip?: boolean;
};

function policy(parts: PolicyParts): CiliumLocalRedirectPolicy {
  return {
    metadata: {
      name: parts.name ?? "local",
      namespace: "shop",
      creationTimestamp: new Date((parts.age ?? 1000) * 1000).toISOString(),
    },
    spec: {
      redirectFrontend: parts.frontend,
      redirectBackend: {
        localEndpointSelector: { matchLabels: { app: "cache" } },
        toPorts: parts.ports ?? [{ port: "5353", protocol: "UDP" }],
      },
      ...(parts.skip === undefined ? {} : { skipRedirectFromBackend: parts.skip }),
    },
  } as CiliumLocalRedirectPolicy;
}

function cache(parts: PodParts & { readonly cookie?: bigint } = {}): LocalPod {
  const ports = [
    { name: "dns", containerPort: 5353, protocol: "UDP" },
    { name: "dns-tcp", containerPort: 5353, protocol: "TCP" },
  ];
  return {
    pod: pod({ name: "cache", labels: { app: "cache" }, ips: ["10.244.1.53"], ports, ...parts }),
    netnsCookie: parts.cookie,
  };
}

const dns = service({
  spec: {
    type: "NodePort",
    ports: [
      { name: "dns", port: 53, protocol: "UDP", nodePort: 30_053 },
      { name: "dns-tcp", port: 53, protocol: "TCP" },
      { name: "metrics", port: 9153, protocol: "TCP" },
    ],
  },
});
const dnsSlices = [
  slice(["10.244.2.1"], {
    ports: [
      { name: "dns", port: 53, protocol: "UDP" },
      { name: "dns-tcp", port: 53, protocol: "TCP" },
      { name: "metrics", port: 9153, protocol: "TCP" },
    ],
  }),
];
const own = `10.96.0.10:53/UDP ClusterIP "dns" [10.244.2.1:53]
10.96.0.10:53/TCP ClusterIP "dns-tcp" [10.244.2.1:53]
10.96.0.10:9153/TCP ClusterIP "metrics" [10.244.2.1:9153]
0.0.0.0:30053/UDP NodePort "dns" [10.244.2.1:53]
10.96.0.10:0/ANY ClusterIP`;

const toDns = { serviceMatcher: { serviceName: "web", namespace: "shop" } };
const named = [
  { name: "dns", port: "5353", protocol: "UDP" },
  { name: "dns-tcp", port: "5353", protocol: "TCP" },
];
const bare = contextWith({ facts: { addresses: [] }, settings: { enableIpv6: false } });

type ServiceCase = {
  readonly name: string;
  readonly policies: readonly CiliumLocalRedirectPolicy[];
  readonly pods?: readonly LocalPod[];
  readonly settings?: Partial<ServiceContext["settings"]>;
  readonly frontends: string;
  readonly warnings?: string;
};

const overServices: readonly ServiceCase[] = [
  {
    name: "ports meet the pods' by name, and the rest of the service stays as it is",
    policies: [policy({ frontend: toDns, ports: named })],
    pods: [cache()],
    frontends: `10.96.0.10:53/UDP ClusterIP "dns" [10.244.1.53:5353] redirect
10.96.0.10:53/TCP ClusterIP "dns-tcp" [10.244.1.53:5353] redirect
10.96.0.10:9153/TCP ClusterIP "metrics" [10.244.2.1:9153]
0.0.0.0:30053/UDP NodePort "dns" [10.244.2.1:53]
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "only the ports that are named",
    policies: [
      policy({
        frontend: {
          serviceMatcher: { ...toDns.serviceMatcher, toPorts: [{ port: "53", protocol: "UDP" }] },
        },
      }),
    ],
    pods: [cache()],
    frontends: own.replace("[10.244.2.1:53]", "[10.244.1.53:5353] redirect"),
  },
  {
    name: "no pod: as if there were no policy",
    policies: [policy({ frontend: toDns })],
    frontends: own,
  },
  {
    name: "a pod that is not ready serves nobody",
    policies: [policy({ frontend: toDns })],
    pods: [cache({ ready: false })],
    frontends: own,
  },
  {
    name: "nor one that does not declare the port",
    policies: [policy({ frontend: toDns })],
    pods: [cache({ ports: [{ containerPort: 53, protocol: "UDP" }] })],
    frontends: own,
  },
  {
    name: "nor one of another namespace, another node, or with other labels",
    policies: [policy({ frontend: toDns })],
    pods: [
      cache({ namespace: "evil" }),
      cache({ node: "node-2" }),
      cache({ labels: { app: "other" } }),
    ],
    frontends: own,
  },
  {
    name: "a pod that goes serves as long as there is no other",
    policies: [policy({ frontend: toDns })],
    pods: [cache({ deleted: true })],
    frontends: own.replace("[10.244.2.1:53]", "[10.244.1.53:5353] redirect"),
  },
  {
    name: "skipRedirectFromBackend: the pods are excepted, ready or not",
    policies: [policy({ frontend: toDns, skip: true })],
    pods: [cache({ cookie: 7n }), cache({ name: "starting", ready: false, cookie: 9n })],
    frontends: own.replace("[10.244.2.1:53]", "[10.244.1.53:5353] redirect but for 7,9"),
  },
  {
    name: "skipRedirectFromBackend: a pod that cannot be told apart would be sent to itself",
    policies: [policy({ frontend: toDns, skip: true })],
    pods: [cache()],
    frontends: own,
    warnings:
      "spec.skipRedirectFromBackend: pod cache has no network namespace of its own that is known: not used",
  },
  {
    name: "the older of two policies is followed",
    policies: [
      policy({
        name: "young",
        age: 2000,
        frontend: toDns,
        ports: [{ port: "53", protocol: "UDP" }],
      }),
      policy({ name: "zero", age: 1000, frontend: toDns }),
    ],
    pods: [cache({ ports: [5353, 53].map((port) => ({ containerPort: port, protocol: "UDP" })) })],
    frontends: own.replace("[10.244.2.1:53]", "[10.244.1.53:5353] redirect"),
    warnings:
      "CiliumLocalRedirectPolicy young: port 53 is redirected by the older zero: not followed",
  },
  {
    name: "the feature is off",
    policies: [policy({ frontend: toDns })],
    pods: [cache()],
    settings: { localRedirectPolicy: false },
    frontends: own,
  },
];

for (const each of overServices)
  test(`a service: ${each.name}`, () => {
    const decided = decideService(dns, dnsSlices, {
      ...bare,
      settings: { ...bare.settings, ...each.settings },
      redirects: each.policies,
      localPods: each.pods ?? [],
    });
    assert.equal(frontendLines(decided), each.frontends);
    assert.equal(warningLines(decided), each.warnings ?? "");
  });

test("flows that a service's own endpoints have, they keep while it is redirected", () => {
  const decided = decideService(dns, dnsSlices, {
    ...bare,
    redirects: [policy({ frontend: toDns })],
    localPods: [cache()],
  });
  const keys = new Set(decided?.pools.flatMap(({ backends }) => backends.map(({ key }) => key)));
  assert.ok(keys.has("10.244.2.1:53/UDP") && keys.has("10.244.1.53:5353/UDP"));
});

type AddressCase = {
  readonly name: string;
  readonly policy: CiliumLocalRedirectPolicy;
  readonly pods?: readonly LocalPod[];
  readonly context?: ServiceContext;
  readonly frontends: string;
  readonly warnings?: string;
};

const at = (ip: string, toPorts: readonly object[] = [{ port: "53", protocol: "UDP" }]) => ({
  addressMatcher: { ip, toPorts },
});

const ofAddresses: readonly AddressCase[] = [
  {
    name: "an address that is nobody's",
    policy: policy({ frontend: at("169.254.20.10") }),
    pods: [cache()],
    frontends: "169.254.20.10:53/UDP LocalRedirect [10.244.1.53:5353] redirect",
  },
  {
    name: "several ports, by name",
    policy: policy({
      frontend: at("169.254.20.10", [
        { name: "dns", port: "53", protocol: "UDP" },
        { name: "dns-tcp", port: "54", protocol: "TCP" },
      ]),
      ports: named,
      skip: true,
    }),
    pods: [cache({ cookie: 5n })],
    frontends: `169.254.20.10:53/UDP LocalRedirect "dns" [10.244.1.53:5353] redirect but for 5
169.254.20.10:54/TCP LocalRedirect "dns-tcp" [10.244.1.53:5353] redirect but for 5`,
  },
  {
    name: "no pod: the address is what it is",
    policy: policy({ frontend: at("169.254.20.10") }),
    frontends: "",
  },
  {
    name: "a node's address is the node's",
    policy: policy({ frontend: at("172.18.0.4", [{ port: "6443", protocol: "UDP" }]) }),
    pods: [cache()],
    frontends: "",
    warnings: "spec.redirectFrontend.addressMatcher.ip: 172.18.0.4 is a node: not followed",
  },
  {
    name: "a pod's address is the pod's",
    policy: policy({ frontend: at("10.244.2.9") }),
    pods: [cache()],
    frontends: "",
    warnings:
      "spec.redirectFrontend.addressMatcher.ip: 10.244.2.9 is in 10.244.0.0/16, where pods get their addresses from: not followed",
  },
  {
    name: "loopback is each pod's own",
    policy: policy({ frontend: at("127.0.0.1") }),
    pods: [cache()],
    frontends: "",
    warnings: "spec.redirectFrontend.addressMatcher.ip: 127.0.0.1 is a loopback address",
  },
  {
    name: "lrp-address-matcher-cidrs",
    policy: policy({ frontend: at("8.8.8.8") }),
    pods: [cache()],
    context: contextWith({ settings: { addressMatcherCidrs: [Prefix.parse("169.254.0.0/16")] } }),
    frontends: "",
    warnings:
      "spec.redirectFrontend.addressMatcher.ip: 8.8.8.8 is in none of lrp-address-matcher-cidrs: not followed",
  },
  {
    name: "a serviceMatcher is for the policy's own namespace",
    policy: policy({ frontend: { serviceMatcher: { serviceName: "web", namespace: "other" } } }),
    frontends: "",
    warnings: "spec.redirectFrontend.serviceMatcher.namespace: must be the policy's own, shop",
  },
  {
    name: "both matchers",
    policy: policy({ frontend: { ...at("169.254.20.10"), ...toDns } }),
    frontends: "",
    warnings: "spec.redirectFrontend: must have one of addressMatcher and serviceMatcher",
  },
  {
    name: "several ports without names",
    policy: policy({
      frontend: at("169.254.20.10", [
        { port: "53", protocol: "UDP" },
        { port: "54", protocol: "UDP" },
      ]),
    }),
    frontends: "",
    warnings: `spec.redirectFrontend.addressMatcher.toPorts[0].name: required where ports are many
spec.redirectFrontend.addressMatcher.toPorts[1].name: required where ports are many`,
  },
  {
    name: "protocols that do not meet",
    policy: policy({ frontend: at("169.254.20.10"), ports: [{ port: "53", protocol: "TCP" }] }),
    frontends: "",
    warnings: "spec.redirectBackend.toPorts: must have the frontend's protocol",
  },
];

for (const each of ofAddresses)
  test(`an address: ${each.name}`, () => {
    const decided = decideRedirect(each.policy, {
      ...(each.context ?? context),
      localPods: each.pods ?? [],
    });
    assert.equal(frontendLines(decided), each.frontends);
    assert.equal(warningLines(decided), each.warnings ?? "");
  });
