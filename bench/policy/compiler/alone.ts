// The compiler without an agent around it: objects to policies, policies to slots.
import { reservedIdentities } from "@tsilium/identity";
import { Labels } from "@tsilium/net";
import { parsePolicy, PolicyCompiler, type PolicyDelta } from "@tsilium/policy";
import type { Policy } from "@tsilium/policy/model.ts";
import { settings } from "../enforcer.ts";
import { apps, labelsOf } from "../workload/cluster.ts";
import type { PolicyObject } from "../workload/spread.ts";
import type { World } from "./worlds.ts";

/** @throws Error for an object that is not valid */
export function parse(objects: readonly PolicyObject[]): Policy[] {
  return objects.map((object) => {
    const result = parsePolicy(object, settings);
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    return result.policy;
  });
}

/** Everything from nothing. */
export function compile(policies: readonly Policy[], { subjects }: World): PolicyDelta {
  const compiler = new PolicyCompiler(settings);
  for (const { id, labels } of reservedIdentities)
    compiler.setIdentity({ id, labels, namedPorts: [] });
  for (const app of apps())
    compiler.setIdentity({
      id: app.identity,
      labels: Labels.parse(labelsOf(app)),
      namedPorts: [],
    });
  for (const policy of policies) compiler.setPolicy(policy);
  for (const [index, { identity, labels, namedPorts, audit }] of subjects.entries())
    compiler.setSubject({
      id: index + 1,
      identity,
      labels: Labels.parse(labels),
      namedPorts,
      audit,
    });
  return compiler.commit();
}
