// What a player's maps say, held to what the naive evaluator says: verdicts, and whom they name as the cause.
import assert from "node:assert/strict";
import type { Scenario } from "../generate/index.ts";
import {
  type Answer,
  addressOf,
  naive,
  type NaiveRuleSet,
  type Party,
  partyName,
  type Question,
  type Side,
} from "../naive/index.ts";
import { ask, causeText, explained } from "./ask.ts";
import type { Decision } from "./kernel-policy.ts";
import type { Player } from "./player.ts";

export type Agreement = {
  readonly player: Player;
  readonly scenario: Scenario;
  readonly questions: readonly Question[];
  /** What happened so far, for people. */
  readonly history: readonly string[];
};

/** @throws AssertionError with the question, both answers and everything that was applied */
export function assertAgreement({ player, scenario, questions, history }: Agreement): void {
  const { world, objects, settings } = scenario;
  const evaluator = naive(world, objects, settings);
  for (const question of questions) {
    const answer = evaluator.verdict(question);
    for (const direction of ["egress", "ingress"] as const) {
      const problem =
        ofMaps(player, question, { direction, answer }) ??
        ofExplanation(player, question, { direction, answer });
      if (problem)
        assert.fail(
          [
            `${direction} of ${questionText(question)}: ${problem}`,
            `after ${history.join(", ")}`,
            report(scenario, question, answer),
          ].join("\n"),
        );
    }
  }
}

type Expected = { readonly direction: "egress" | "ingress"; readonly answer: Answer };

/** What is wrong with the maps' decision, if anything. */
function ofMaps(player: Player, question: Question, { direction, answer }: Expected) {
  const side = answer[direction];
  const decision = ask(player, question, direction);
  return side && decision && disagreement(player, side, decision);
}

/** What is wrong with the explanation, if anything. Remote pods are explained too, but nodes have another identity there. */
function ofExplanation(player: Player, question: Question, { direction, answer }: Expected) {
  const { from, to } = question;
  const [mine, peer] = direction === "egress" ? [from, to] : [to, from];
  const side = answer[direction];
  const isLocal = mine.kind === "pod" && mine.pod.node === player.node;
  if (!side || (peer.kind === "node" && !isLocal)) return undefined;
  const { verdict, rules, defaultDenyBy, builtin } = explained(player, question)[direction];
  // The way in from the own node is enough of a reason, whatever rules there are beside it.
  if (builtin === "allow-localhost" && side.rules.includes("(allow-localhost)")) return undefined;
  const text = ({ kind, namespace, name, path }: (typeof rules)[number]) =>
    `${kind}/${namespace}/${name} ${path}`;
  const told = (words: string, causes: readonly string[], by: readonly string[]) =>
    [words, ...causes.toSorted(), ...by.toSorted().map((cause) => `default deny of ${cause}`)].join(
      " ",
    );
  const expected = told(
    side.verdict,
    side.rules.filter((rule) => !rule.startsWith("(")),
    side.defaultDeny,
  );
  // What is in audit mode elsewhere is not known here.
  const words = !isLocal && verdict === "denied" && side.verdict === "audit" ? "audit" : verdict;
  const got = told(words, rules.map(text), defaultDenyBy.map(text));
  return expected === got ? undefined : `expected ${expected}, explained as ${got}`;
}

/** undefined when they agree. */
function disagreement(player: Player, side: Side, decision: Decision): string | undefined {
  const verdict = {
    allow: "allowed",
    redirect: "allowed",
    deny: "denied",
    audit: "audit",
    "unknown peer": "unknown",
  };
  const found = verdict[decision.verdict];
  const cause = causeText(player.compiler.ruleName(decision.rule));
  const set = proxiedText(player, decision);
  const wanted = side.l7 && ruleSetText(side.l7);
  if (set !== wanted) return `expected ${wanted ?? "no proxy"}, got ${set ?? "none"}`;
  if (found === side.verdict && isAmong(cause, side)) return undefined;
  const causes = causesOf(side).join(" or ");
  return `expected ${side.verdict} by ${causes || "nobody"}, got ${found} by ${cause}`;
}

/** What the proxy of a decision enforces; undefined: it is decided without one. */
function proxiedText({ compiler }: Player, { verdict, proxyPort = 0 }: Decision) {
  if (verdict !== "redirect") return undefined;
  const ruleSet = compiler.ruleSet(proxyPort);
  if (!ruleSet) return `no rule set of port ${proxyPort}`;
  const deny = compiler.ruleName(ruleSet.denyRule);
  const by = deny?.kind === "default-deny" ? deny.by : [];
  const names = ruleSet.rules.map(({ rule }) => causeText(compiler.ruleName(rule)));
  const members = by.map(({ ref, path }) => causeText({ kind: "rule", ref, path }));
  const { kind, audit } = ruleSet;
  return textOf({ kind, audit, members, openedBy: names.find((name) => !members.includes(name)) });
}

function ruleSetText({ kind, audit, rules, openedBy }: NaiveRuleSet): string {
  return textOf({ kind, audit, members: rules.map(({ rule }) => rule), openedBy });
}

function textOf(set: {
  readonly kind: string;
  readonly audit: boolean;
  readonly members: readonly string[];
  readonly openedBy: string | undefined;
}): string {
  const { kind, audit, members, openedBy } = set;
  const open = openedBy === undefined ? "" : `, opened by ${openedBy}`;
  return `${audit ? "audit " : ""}${kind} of ${members.join(" and ")}${open}`;
}

/** Whether a text of `causeText` is among what the evaluator holds responsible. */
export function isAmong(cause: string, side: Side): boolean {
  const causes = causesOf(side);
  // Where no rule is needed, the maps may say so in words of their own.
  const needsNoRule = causes.every((name) => name.startsWith("("));
  return causes.includes(cause) || (needsNoRule && cause.startsWith("("));
}

/** Texts as `causeText` makes them. None: a matter of course. */
export function causesOf({ rules, defaultDeny }: Side): readonly string[] {
  if (defaultDeny.length > 0) return [`default deny of ${[...defaultDeny].sort().join(" and ")}`];
  return rules;
}

export function questionText({ from, to, family, protocol, port }: Question): string {
  return `${partyName(from)} -> ${partyName(to)} ${protocol.toLowerCase()}/${port} IPv${family}`;
}

/** Everything that the answer can depend on. */
function report(
  { world, objects, settings }: Scenario,
  question: Question,
  answer: Answer,
): string {
  const party = (one: Party) => ({ ...one, address: addressOf(one, question.family) });
  return JSON.stringify(
    {
      why: answer.why,
      from: party(question.from),
      to: party(question.to),
      namespaces: world.namespaces,
      apiServer: world.apiServer,
      settings,
      objects,
    },
    null,
    1,
  );
}
