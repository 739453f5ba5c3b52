// Services as rules of netfilter, in the shape that kube-proxy gives them: what a bench compares with.
import type { Netns } from "@tsilium/testkit";
import type { BenchService } from "../workload.ts";

/** Facts of the node that the rules are for. */
export type RuleFacts = {
  readonly nodeAddress: string;
  /** What comes from here comes from a pod. */
  readonly podCidr: string;
  readonly serviceCidr: string;
};

/** A way to write rules: text for one command of a well-known program. */
export type RuleSet = {
  readonly name: string;
  /** The command that reads rules from its standard input and applies all of them or none. */
  readonly command: readonly [string, ...string[]];
  /** Rules for a network namespace that has none. */
  readonly all: (services: readonly BenchService[], facts: RuleFacts) => string;
  /** What is written when the last of the services is new and all others are there. */
  readonly addLast: (services: readonly BenchService[], facts: RuleFacts) => string;
};

const timeoutMs = 300_000;

/** Applies rules; answers how long the command took from its start to its exit. @throws Error with what it said */
export async function apply({ command }: RuleSet, netns: Netns, text: string): Promise<number> {
  const [program, ...args] = command;
  const startMs = performance.now();
  const { status, stderr } = await netns.exec(program, args, { input: text, timeoutMs });
  const tookMs = performance.now() - startMs;
  if (status !== 0) throw new Error(`${command.join(" ")}: exit status ${status}: ${stderr}`);
  return tookMs;
}
