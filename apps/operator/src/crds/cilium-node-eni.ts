// The parts of CiliumNode that AWS's ENI mode uses.
import type { JsonSchema } from "@tsilium/kube";
import { choice, described, flag, list, object, record, text, whole } from "./schema.ts";

/** spec.eni */
export const eniSpec: JsonSchema = described(
  "what the node's agent knows of its instance, and wishes of interfaces",
  object({
    "instance-type": text,
    "vpc-id": text,
    "availability-zone": text,
    "node-subnet-id": text,
    "first-interface-index": { ...whole, minimum: 0 },
    "subnet-ids": list(text),
    "subnet-tags": record(text),
    "security-groups": list(text),
    "security-group-tags": record(text),
    "exclude-interface-tags": record(text),
    "delete-on-termination": flag,
    "use-primary-address": flag,
    "disable-prefix-delegation": flag,
  }),
);

/** status.eni */
export const eniStatus: JsonSchema = object({
  enis: described(
    "the instance's interfaces, by id",
    record(
      object({
        id: text,
        ip: text,
        mac: text,
        "availability-zone": text,
        description: text,
        number: whole,
        subnet: object({ id: text, cidr: text }),
        vpc: object({ id: text, "primary-cidr": text, cidrs: list(text) }),
        addresses: list(text),
        prefixes: list(text),
        "security-groups": list(text),
        tags: record(text),
      }),
    ),
  ),
});

/** status.ipam.release-ips */
export const releaseIps: JsonSchema = described(
  "addresses that the operator wants back, and what became of it",
  record(choice("marked-for-release", "ready-for-release", "do-not-release", "released")),
);
