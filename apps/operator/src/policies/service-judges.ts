// What is wrong with objects that services depend on, beyond what their schemas can say: for the webhook and for API
// servers of our own.
import type { CiliumLoadBalancerIPPool } from "@tsilium/kube";
import { ciliumLoadBalancerIpPool } from "../crds/cilium-load-balancer-ip-pool.ts";
import { ciliumLocalRedirectPolicy } from "../crds/cilium-local-redirect-policy.ts";
import { readPool } from "../lb-ipam/pool.ts";
import { type PolicyJudge, schemaOf } from "./judge.ts";
import { unknownFields } from "./unknown-fields.ts";

/** By "group/Kind". */
export function serviceJudges(): Readonly<Record<string, PolicyJudge>> {
  return {
    "cilium.io/CiliumLoadBalancerIPPool": judgePool,
    "cilium.io/CiliumLocalRedirectPolicy": judgeLocalRedirect,
  };
}

const judgePool: PolicyJudge = (object) => {
  const { spec, metadata } = fieldsOf(object);
  // The schema has not been asked yet: lists may be anything.
  const read = { metadata: fieldsOf(metadata), spec: fieldsOf(spec) } as CiliumLoadBalancerIPPool;
  const unknown = unknownFields(schemaOf(ciliumLoadBalancerIpPool), object);
  return { problems: [...unknown, ...readPool(read).problems], warnings: [] };
};

const judgeLocalRedirect: PolicyJudge = (object) => ({
  problems: unknownFields(schemaOf(ciliumLocalRedirectPolicy), object),
  warnings: [],
});

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}
