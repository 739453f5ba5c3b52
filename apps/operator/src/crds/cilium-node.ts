// CiliumNode: one per node; its agent writes addresses, the operator pod CIDRs.
import { eniSpec, eniStatus, releaseIps } from "./cilium-node-eni.ts";
import { ageColumn, define, described, list, object, record, text, whole } from "./schema.ts";

const addressPair = object({ ipv4: text, ipv6: text });

export const ciliumNode = define({
  kind: "CiliumNode",
  plural: "ciliumnodes",
  shortNames: ["cn", "ciliumn"],
  scope: "Cluster",
  statusSubresource: true,
  columns: [
    {
      name: "CiliumInternalIP",
      type: "string",
      description: "router address of the node",
      jsonPath: '.spec.addresses[?(@.type=="CiliumInternalIP")].ip',
    },
    {
      name: "InternalIP",
      type: "string",
      description: "address of the node",
      jsonPath: '.spec.addresses[?(@.type=="InternalIP")].ip',
    },
    ageColumn,
  ],
  schema: object({
    apiVersion: text,
    kind: text,
    metadata: { type: "object" },
    "spec!": object({
      addresses: described(
        "every address of the node, with what it is for",
        list(object({ type: text, ip: text })),
      ),
      ipam: object({
        podCIDRs: described("ranges that the node's pods get addresses from", list(text)),
        pool: described(
          "single addresses to use, where podCIDRs are not",
          record(object({ owner: text, resource: text })),
        ),
        pools: object({
          allocated: list(object({ "pool!": text, cidrs: list(text) })),
          requested: list(
            object({
              "pool!": text,
              needed: object({ "ipv4-addrs": whole, "ipv6-addrs": whole }),
            }),
          ),
        }),
        "min-allocate": whole,
        "max-allocate": whole,
        "pre-allocate": whole,
        "max-above-watermark": whole,
      }),
      encryption: object({ key: described("index of the key in use, 0: none", whole) }),
      health: addressPair,
      ingress: addressPair,
      nodeidentity: described("security identity of the node", whole),
      bootid: text,
      "instance-id": text,
      eni: eniSpec,
    }),
    status: object({
      eni: eniStatus,
      ipam: object({
        "release-ips": releaseIps,
        used: described(
          "addresses in use, by address",
          record(object({ owner: text, resource: text })),
        ),
        "operator-status": object({
          error: described("why the node could not be given what it needs", text),
        }),
      }),
    }),
  }),
});
