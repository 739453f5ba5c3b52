// CiliumEndpoint: one per pod, of the pod's name; the pod's agent writes it, other nodes read it. Its status is
// no subresource, as in Cilium: agents create the whole object in one write.
import { define, described, flag, list, object, record, text, whole } from "./schema.ts";

const direction = object({
  "enforcing!": flag,
  state: described("enforced, or why not", text),
  adding: list(object({ labels: record(text), identity: whole })),
  allowed: list(object({ labels: record(text), identity: whole })),
  denied: list(object({ labels: record(text), identity: whole })),
  removing: list(object({ labels: record(text), identity: whole })),
});

export const ciliumEndpoint = define({
  kind: "CiliumEndpoint",
  plural: "ciliumendpoints",
  shortNames: ["cep", "ciliumep"],
  scope: "Namespaced",
  statusSubresource: false,
  columns: [
    { name: "Security Identity", type: "integer", jsonPath: ".status.identity.id" },
    {
      name: "Ingress Enforcement",
      type: "string",
      priority: 1,
      jsonPath: ".status.policy.ingress.state",
    },
    {
      name: "Egress Enforcement",
      type: "string",
      priority: 1,
      jsonPath: ".status.policy.egress.state",
    },
    { name: "Endpoint State", type: "string", jsonPath: ".status.state" },
    { name: "IPv4", type: "string", jsonPath: ".status.networking.addressing[0].ipv4" },
    { name: "IPv6", type: "string", jsonPath: ".status.networking.addressing[0].ipv6" },
  ],
  schema: object({
    apiVersion: text,
    kind: text,
    metadata: { type: "object" },
    status: object({
      id: described("node-unique number of the endpoint", whole),
      identity: object({ id: whole, labels: list(text) }),
      networking: object({
        "addressing!": list(object({ ipv4: text, ipv6: text })),
        node: described("address of the node that has the endpoint", text),
      }),
      encryption: object({ key: whole }),
      "external-identifiers": object({
        "cni-attachment-id": text,
        "container-id": text,
        "container-name": text,
        "docker-endpoint-id": text,
        "docker-network-id": text,
        "k8s-namespace": text,
        "k8s-pod-name": text,
        "pod-name": text,
      }),
      "named-ports": list(object({ name: text, port: whole, protocol: text })),
      policy: object({ ingress: direction, egress: direction }),
      health: object({ bpf: text, policy: text, connected: flag, overallHealth: text }),
      log: list(object({ code: text, message: text, state: text, timestamp: text })),
      "visibility-policy-status": text,
      state: {
        ...text,
        enum: [
          "creating",
          "waiting-for-identity",
          "not-ready",
          "waiting-to-regenerate",
          "regenerating",
          "restoring",
          "ready",
          "disconnecting",
          "disconnected",
          "invalid",
        ],
      },
      "service-account": text,
    }),
  }),
});
