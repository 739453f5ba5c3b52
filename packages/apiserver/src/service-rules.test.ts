// What a Service must not say, row by row, and what it may: each fault is told with its field.
import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import { TestServer } from "./testing/server.ts";

let api: TestServer;
before(async () => {
  api = await TestServer.start();
});
after(async () => {
  await api[Symbol.asyncDispose]();
  assert.deepEqual(api.faults, []);
});

const services = "/api/v1/namespaces/default/services";
const merge = "application/merge-patch+json";

let made = 0;
const service = (spec: object, metadata: object = {}) => ({
  metadata: { name: `s${made++}`, ...metadata },
  spec: { ports: [{ port: 80 }], ...spec },
});
const balancer = (spec: object) => service({ type: "LoadBalancer", ...spec });
const withPort = (port: object) => service({ ports: [{ port: 80, ...port }] });
const external = (externalName: string, spec: object = {}) =>
  service({ type: "ExternalName", externalName, ports: [], ...spec });
const rangesAnnotation = "service.beta.kubernetes.io/load-balancer-source-ranges";

/** sentence, object, fields of the causes */
const refused: readonly (readonly [string, object, string])[] = [
  ["a class on a ClusterIP", service({ loadBalancerClass: "a/b" }), "spec.loadBalancerClass"],
  ["a class that is no name", balancer({ loadBalancerClass: "a b" }), "spec.loadBalancerClass"],
  [
    "source ranges on a NodePort",
    service({ type: "NodePort", loadBalancerSourceRanges: ["10.0.0.0/8"] }),
    "spec.loadBalancerSourceRanges",
  ],
  [
    "a source range that is none",
    balancer({ loadBalancerSourceRanges: ["10.0.0.0/8", "10.0.0.1"] }),
    "spec.loadBalancerSourceRanges[1]",
  ],
  [
    "a source range in the annotation that is none",
    service({ type: "LoadBalancer" }, { annotations: { [rangesAnnotation]: "10.0.0.0/8, x" } }),
    `metadata.annotations[${rangesAnnotation}]`,
  ],
  [
    "allocateLoadBalancerNodePorts on a NodePort",
    service({ type: "NodePort", allocateLoadBalancerNodePorts: false }),
    "spec.allocateLoadBalancerNodePorts",
  ],
  ["a loopback external IP", service({ externalIPs: ["127.0.0.1"] }), "spec.externalIPs[0]"],
  [
    "a link-local external IP",
    service({ externalIPs: ["169.254.169.254"] }),
    "spec.externalIPs[0]",
  ],
  ["a multicast external IP", service({ externalIPs: ["224.0.0.1"] }), "spec.externalIPs[0]"],
  [
    "unspecified, loopback, link-local and multicast external IPs of IPv6",
    service({ externalIPs: ["::", "::1", "fe80::1", "ff02::1"] }),
    "spec.externalIPs[0],spec.externalIPs[1],spec.externalIPs[2],spec.externalIPs[3]",
  ],
  [
    "the same written as IPv4-mapped",
    service({ externalIPs: ["::ffff:127.0.0.1"] }),
    "spec.externalIPs[0]",
  ],
  [
    "an external IP that is a name",
    service({ externalIPs: ["example.com"] }),
    "spec.externalIPs[0]",
  ],
  [
    "an external traffic policy where nothing comes from outside",
    service({ externalTrafficPolicy: "Local" }),
    "spec.externalTrafficPolicy",
  ],
  [
    "a health check port where none is asked",
    service({ type: "LoadBalancer", healthCheckNodePort: 30100 }),
    "spec.healthCheckNodePort",
  ],
  [
    "a traffic distribution there is none",
    service({ trafficDistribution: "PreferFar" }),
    "spec.trafficDistribution",
  ],
  [
    "an internal traffic policy there is none",
    service({ internalTrafficPolicy: "Global" }),
    "spec.internalTrafficPolicy",
  ],
  [
    "an affinity of more than a day",
    service({
      sessionAffinity: "ClientIP",
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 86401 } },
    }),
    "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
  ],
  [
    "two ports of one name",
    service({
      ports: [
        { name: "a", port: 1 },
        { name: "a", port: 2 },
      ],
    }),
    "spec.ports[1].name",
  ],
  ["a port's name that is none", withPort({ name: "a_b" }), "spec.ports[0].name"],
  [
    "a target port's name that is none",
    withPort({ targetPort: "a--b" }),
    "spec.ports[0].targetPort",
  ],
  [
    "a target port's name of 16 characters",
    withPort({ targetPort: "a".repeat(16) }),
    "spec.ports[0].targetPort",
  ],
  ["target port 70000", withPort({ targetPort: 70_000 }), "spec.ports[0].targetPort"],
  [
    "an application protocol with a space",
    withPort({ appProtocol: "a b" }),
    "spec.ports[0].appProtocol",
  ],
  [
    "one node port for two TCP ports",
    service({
      type: "NodePort",
      ports: [
        { name: "a", port: 1, nodePort: 30_055 },
        { name: "b", port: 2, nodePort: 30_055 },
      ],
    }),
    "spec.ports[1].nodePort",
  ],
  [
    "a node port outside of the range",
    service({ type: "NodePort", ports: [{ port: 1, nodePort: 1 }] }),
    "spec.ports[0].nodePort",
  ],
  ["a bad selector", service({ selector: { "a b": "c" } }), "spec.selector"],
  ["an external name in capitals", external("Example.com"), "spec.externalName"],
  ["no external name", external(""), "spec.externalName"],
  [
    "an external name with addresses",
    external("example.com", { clusterIP: "10.96.1.1", ipFamilies: ["IPv4"] }),
    "spec.clusterIPs,spec.ipFamilies",
  ],
  ["a headless load balancer", balancer({ clusterIP: "None" }), "spec.clusterIPs[0]"],
];
for (const [sentence, body, fields] of refused) {
  test(`refused: ${sentence}`, async () => {
    const answer = await api.send("POST", services, { body });
    assert.equal(answer.status, 422, answer.text);
    const causes = answer.body["details"].causes as { field: string }[];
    assert.equal(causes.map((cause) => cause.field).join(), fields, answer.text);
  });
}

/** sentence, object */
const taken: readonly (readonly [string, object])[] = [
  ["every traffic distribution", service({ trafficDistribution: "PreferSameNode" })],
  ["SCTP", withPort({ protocol: "SCTP" })],
  ["a headless service without ports", service({ clusterIP: "None", ports: [] })],
  ["padded source ranges", balancer({ loadBalancerSourceRanges: [" 10.0.0.0/8 ", "fd00::/8"] })],
  [
    "an external IP, and Local with it",
    service({ externalIPs: ["198.51.100.7"], externalTrafficPolicy: "Local" }),
  ],
  ["an external name with a dot at its end", external("example.com.")],
  ["a named target port", withPort({ targetPort: "http" })],
];
for (const [sentence, body] of taken) {
  test(`taken: ${sentence}`, async () => {
    const answer = await api.send("POST", services, { body });
    assert.equal(answer.status, 201, answer.text);
  });
}

/** sentence, what is there, the change, field of the cause */
const fixed: readonly (readonly [string, object, object, string])[] = [
  [
    "a class",
    { type: "LoadBalancer", loadBalancerClass: "a/b" },
    { loadBalancerClass: "a/c" },
    "spec.loadBalancerClass",
  ],
  [
    "having no class",
    { type: "LoadBalancer" },
    { loadBalancerClass: "a/b" },
    "spec.loadBalancerClass",
  ],
  [
    "the health check port",
    { type: "LoadBalancer", externalTrafficPolicy: "Local", healthCheckNodePort: 30_001 },
    { healthCheckNodePort: 30_002 },
    "spec.healthCheckNodePort",
  ],
  ["the family", { ipFamilies: ["IPv4"] }, { ipFamilies: ["IPv6"] }, "spec.ipFamilies[0]"],
];
for (const [sentence, spec, change, field] of fixed) {
  test(`${sentence} cannot be changed`, async () => {
    const { metadata } = await api.create(services, service(spec));
    const answer = await api.send("PATCH", `${services}/${metadata.name}`, {
      contentType: merge,
      body: { spec: change },
    });
    assert.equal(answer.status, 422, answer.text);
    assert.equal(answer.body["details"].causes[0].field, field);
  });
}
