// A line of the agent, as a proxy reads it.
import type { DnsRule, KafkaRule, Numbered, RuleSet } from "@tsilium/policy/model.ts";
import type { ListenerProblem, ListenerRules, MovedConnection, ToProxy } from "../model.ts";
import { choice, flag, list, object, optional, ShapeError, text, whole } from "./shape.ts";

type Apply = Extract<ToProxy, { kind: "apply" }>;

/** `invalid`: listeners that this proxy does not understand: they must let nothing through. */
export type ReceivedToProxy =
  | (Apply & { readonly invalid: readonly ListenerProblem[] })
  | Exclude<ToProxy, Apply>;

const kinds = ["apply", "move", "release", "forget-names", "status", "stop"] as const;

/** @throws ShapeError, SyntaxError */
export function readToProxy(line: string): ReceivedToProxy {
  const fields = object(JSON.parse(line), "line");
  const kind = choice(fields["kind"], "kind", kinds);
  switch (kind) {
    case "apply":
      return {
        kind,
        sequence: whole(fields["sequence"], "sequence"),
        whole: flag(fields["whole"], "whole"),
        ...readListeners(fields["listeners"]),
        removed: list(fields["removed"], "removed", port),
      };
    case "move":
      return {
        kind,
        sequence: whole(fields["sequence"], "sequence"),
        connections: list(fields["connections"], "connections", moved),
      };
    case "release":
      return { kind, ids: list(fields["ids"], "ids", (id, path) => whole(id, path)) };
    case "forget-names":
    case "status":
    case "stop":
      return { kind };
  }
}

// One listener's rules that are beyond this proxy (an agent of a later version) do not stop the others'.
function readListeners(
  value: unknown,
): Pick<Apply & { invalid: ListenerProblem[] }, "listeners" | "invalid"> {
  const listeners: ListenerRules[] = [];
  const invalid: ListenerProblem[] = [];
  list(value, "listeners", (item, path) => {
    try {
      listeners.push(readListenerRules(item, path));
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      invalid.push({
        port: port(object(item, path)["port"], `${path}.port`),
        reason: error.message,
      });
    }
  });
  return { listeners, invalid };
}

/** What a listener enforces, of a kind that a proxy of ours does. Also of state on disk. @throws ShapeError */
export function readListenerRules(value: unknown, path: string): ListenerRules {
  const fields = object(value, path);
  return {
    port: port(fields["port"], `${path}.port`),
    version: whole(fields["version"], `${path}.version`),
    ruleSet: ruleSet(fields["ruleSet"], `${path}.ruleSet`),
  };
}

function ruleSet(value: unknown, path: string): RuleSet {
  const fields = object(value, path);
  const base = {
    direction: choice(fields["direction"], `${path}.direction`, ["ingress", "egress"]),
    audit: flag(fields["audit"], `${path}.audit`),
    denyRule: whole(fields["denyRule"], `${path}.denyRule`),
  } as const;
  const kind = choice(fields["kind"], `${path}.kind`, ["dns", "kafka", "http", "sni"]);
  const rules = fields["rules"];
  switch (kind) {
    case "dns":
      return { ...base, kind, rules: list(rules, `${path}.rules`, numbered(dnsRule)) };
    case "kafka":
      return { ...base, kind, rules: list(rules, `${path}.rules`, numbered(kafkaRule)) };
    // Engines enforce these, and are not told over a control socket.
    case "http":
    case "sni":
      throw new ShapeError(`${path}.kind`, "a kind that a proxy with a control socket enforces");
  }
}

function numbered<Rule>(
  match: (value: unknown, path: string) => Rule,
): (value: unknown, path: string) => Numbered<Rule> {
  return (value, path) => {
    const fields = object(value, path);
    return {
      rule: whole(fields["rule"], `${path}.rule`),
      match: match(fields["match"], `${path}.match`),
    };
  };
}

function dnsRule(value: unknown, path: string): DnsRule {
  const fields = object(value, path);
  const matchName = optional(fields["matchName"], `${path}.matchName`, name);
  const matchPattern = optional(fields["matchPattern"], `${path}.matchPattern`, name);
  return {
    ...(matchName === undefined ? {} : { matchName }),
    ...(matchPattern === undefined ? {} : { matchPattern }),
  };
}

// Rules without a condition let everything through: a condition of the wrong type is refused, never left out.
function kafkaRule(value: unknown, path: string): KafkaRule {
  const fields = object(value, path);
  return {
    apiKeys: optional(fields["apiKeys"], `${path}.apiKeys`, (keys, at) =>
      list(keys, at, (key, where) => whole(key, where, 32_767)),
    ),
    apiVersion: optional(fields["apiVersion"], `${path}.apiVersion`, (version, at) =>
      whole(version, at, 32_767),
    ),
    clientId: optional(fields["clientId"], `${path}.clientId`, (id, at) => text(id, at)),
    topic: optional(fields["topic"], `${path}.topic`, (topic, at) => text(topic, at)),
  };
}

function moved(value: unknown, path: string): MovedConnection {
  const fields = object(value, path);
  return {
    protocol: whole(fields["protocol"], `${path}.protocol`, 255),
    client: end(fields["client"], `${path}.client`),
    server: end(fields["server"], `${path}.server`),
    from: whole(fields["from"], `${path}.from`, 65_535),
    to: whole(fields["to"], `${path}.to`, 65_535),
  };
}

/** An end of a connection. */
export function end(value: unknown, path: string): { address: string; port: number } {
  const fields = object(value, path);
  return {
    address: text(fields["address"], `${path}.address`, 64),
    port: whole(fields["port"], `${path}.port`, 65_535),
  };
}

function port(value: unknown, path: string): number {
  return whole(value, path, 65_535);
}

function name(value: unknown, path: string): string {
  return text(value, path, 1024);
}
