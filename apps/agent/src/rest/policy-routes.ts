// What is asked about policy: objects, rules, selectors, why a packet is let through, and everything it is made of.
import type { Family } from "@tsilium/net";
import { PolicyError } from "../policy/error.ts";
import { askedEnds, findEnd, type FoundEnd } from "../policy/ends.ts";
import { findPort } from "../policy/ports.ts";
import type { Answers, Question, QuestionKind } from "../policy/questions.ts";
import { ApiError } from "./error.ts";
import { answered, json, type NodeParts, now, type RoutesOptions } from "./parts.ts";
import { policyObjectView, ruleNumberView, selectorView } from "./policy-views.ts";
import type { Answer, Call, Route } from "./router.ts";
import * as schemas from "./schemas.ts";

export function policyRoutes({ parts }: RoutesOptions): Route[] {
  const policy = () => now(parts).policy;
  return [
    {
      method: "GET",
      path: "/v1/policy",
      summary: "the policy objects that this node knows, and whether they are understood",
      responses: answered("objects by kind and name", schemas.listOf(schemas.policyObjectSchema)),
      handle: async () => {
        const objects = await ask(policy(), { kind: "objects" });
        return json(objects.map(policyObjectView).toSorted(byName));
      },
    },
    {
      method: "GET",
      path: "/v1/policy/rules",
      summary: "what the numbers of rules in the kernel and in events stand for",
      responses: answered("rules by number", schemas.listOf(schemas.ruleNumberSchema)),
      handle: async () => {
        const rules = await ask(policy(), { kind: "rules", numbers: undefined });
        return json(rules.toSorted((a, b) => a.number - b.number).map(ruleNumberView));
      },
    },
    {
      method: "GET",
      path: "/v1/policy/selectors",
      summary: "whom the selectors match that policies of this node's pods name",
      responses: answered("selectors", schemas.listOf(schemas.selectorSchema)),
      handle: async () => {
        const selectors = await ask(policy(), { kind: "selectors" });
        return json(
          selectors.map(selectorView).toSorted((a, b) => (a.selector < b.selector ? -1 : 1)),
        );
      },
    },
    {
      method: "GET",
      path: "/v1/policy/explain",
      summary: "why packets from one end to another are let through or not",
      parameters: {
        from: end("who sends"),
        to: end("who receives"),
        port: {
          in: "query",
          required: true,
          description: "80/tcp, 53/udp, a container port's name, icmp, icmpv6/128",
          schema: { type: "string" },
        },
      },
      responses: answered(
        "a verdict in each direction and what decides",
        schemas.explanationSchema,
      ),
      handle: (call) => explain(policy(), call),
    },
    {
      method: "GET",
      path: "/v1/policy/state",
      summary: "everything that policy is made of on this node: objects, identities, addresses",
      responses: answered("as the policy worker is told it", { type: "object" }),
      handle: () => json(policy().state()),
    },
  ];
}

function end(who: string) {
  const description = `${who}: NAMESPACE/POD, an address, a DNS name that was looked up, or an entity such as world or host`;
  return { in: "query" as const, required: true, description, schema: { type: "string" } };
}

async function explain(policy: NodeParts["policy"], { parameters }: Call): Promise<Answer> {
  const endOf = (name: string, wanted?: Family) =>
    found(findEnd(parameters[name] ?? "", policy.whereabouts, wanted));
  const { namedPorts } = endOf("to");
  const { protocol, port, family } = found(findPort(parameters["port"] ?? "", namedPorts));
  const [from, to] = [endOf("from", family), endOf("to", family)];
  const ends = askedEnds(from, to, family);
  const explanation = await ask(policy, { kind: "explain", ...ends, protocol, port });
  return json({ ...explanation, from: endView(from, ends.from), to: endView(to, ends.to) });
}

function endView(
  { name, identity }: FoundEnd,
  { address }: { readonly address: string | undefined },
) {
  return { name, identity, ...(address === undefined ? {} : { address }) };
}

/** @throws ApiError 404 with the sentence that says why there is nothing */
function found<T extends object>(result: T | string): T {
  if (typeof result !== "string") return result;
  throw new ApiError(404, "not_found", result);
}

/** Asks the worker. @throws ApiError 503 while there is none or it does not know enough */
async function ask<Kind extends QuestionKind>(
  { client }: NodeParts["policy"],
  question: Extract<Question, { kind: Kind }>,
): Promise<Answers[Kind]> {
  try {
    return await client.ask(question);
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    throw new ApiError(503, error.code, error.message);
  }
}

function byName(a: Named, b: Named): number {
  const text = ({ kind, namespace, name }: Named) => `${kind} ${namespace}/${name}`;
  return text(a) < text(b) ? -1 : 1;
}
type Named = { readonly kind: string; readonly namespace: string; readonly name: string };
