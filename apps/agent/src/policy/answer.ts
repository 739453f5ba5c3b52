// Answers questions from what the engine knows. Nothing is changed by asking.
import { Address } from "@tsilium/net";
import type { EndPoint, Explanation, L7Conflict, Problem } from "@tsilium/policy";
import { type PolicyRef, refKey } from "@tsilium/policy/model.ts";
import type { PolicyEngine } from "./engine.ts";
import type { NamedRule, ObjectReport } from "./model.ts";
import type { Answer, AskedEnd, Question, SelectorReport } from "./questions.ts";
import type { PolicyWorld } from "./world.ts";

/** @throws Error with a sentence for whoever asked */
export function answerQuestion(engine: PolicyEngine, question: Question): Answer {
  const { world } = engine;
  switch (question.kind) {
    case "objects":
      return objects(world);
    case "rules":
      return rules(world, question.numbers);
    case "selectors":
      return selectors(world);
    case "addresses": {
      const wanted = new Set(question.prefixes);
      return engine.conditions().filter(({ kind, name }) => kind === "address" && wanted.has(name));
    }
    case "explain":
      return explain(world, question);
  }
}

function objects({ policies, cidrGroups, compiler }: PolicyWorld): ObjectReport[] {
  const conflicts = Map.groupBy(compiler.conflicts(), ({ ref }) => refKey(ref));
  const reports = policies.reports().map((report) => {
    const found = conflicts.get(refKey(report.ref as PolicyRef)) ?? [];
    return { ...report, warnings: [...report.warnings, ...found.map(conflictWarning)] };
  });
  return [...reports, ...cidrGroups.reports()];
}

function conflictWarning({ path, by }: L7Conflict): Problem {
  const message = `allows nothing where ${refKey(by.ref)} ${by.path} holds: one port has L7 rules of one kind, and one certificate`;
  return { path, message };
}

function rules({ compiler }: PolicyWorld, numbers: readonly number[] | undefined): NamedRule[] {
  if (numbers === undefined)
    return Array.from(compiler.ruleNames(), ([number, name]) => ({ number, name }));
  return numbers.flatMap((number) => {
    const name = compiler.ruleName(number);
    return name ? [{ number, name }] : [];
  });
}

function selectors({ compiler }: PolicyWorld): SelectorReport[] {
  return Array.from(compiler.peers.selectors.inUse(), ({ selector, matches, users }) => ({
    selector,
    identities: [...matches].sort((a, b) => a - b),
    slots: users.size,
  }));
}

function explain(
  world: PolicyWorld,
  { from, to, protocol, port }: Extract<Question, { kind: "explain" }>,
): Explanation {
  if (!world.isSynced) throw new Error("policies, identities and addresses are not all known yet");
  return world.compiler.explain({
    from: endPoint(world, from),
    to: endPoint(world, to),
    protocol,
    port,
  });
}

function endPoint(world: PolicyWorld, { identity, address, subject }: AskedEnd): EndPoint {
  const labels = world.identityLabels(identity);
  if (!labels) throw new Error(`identity ${identity} is not known on this node`);
  return {
    identity,
    labels,
    ...(address === undefined ? {} : { address: Address.parse(address) }),
    ...(subject === undefined ? {} : { subject }),
  };
}
