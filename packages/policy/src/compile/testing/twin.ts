// The compiler's slow and obvious twin: one packet at a time, every rule looked at, no classes, no prefixes of ports.
// It works on the same normal form, and shares nothing with the compiler but the model.
import type { Address, Labels, Prefix } from "@tsilium/net";
import type {
  CidrGroup,
  Direction,
  EntryVerdict,
  LabelSelector,
  Peer,
  PeerIdentity,
  Policy,
  PolicyService,
  PolicySettings,
  PolicySpec,
  PortMatch,
  Requirement,
  Rule,
  RuleName,
  Subject,
  Tier,
} from "../../model.ts";
import {
  holdingTogether,
  isL7,
  isUnderstood,
  type L7Outcome,
  type NamedRule,
  protocolOf,
  protocolsOf,
  ruleSetOf,
  type TwinRuleSet,
} from "./twin-l7.ts";

export type TwinWorld = {
  readonly settings: PolicySettings;
  readonly policies: readonly Policy[];
  readonly cidrGroups: readonly CidrGroup[];
  readonly services: readonly PolicyService[];
};

export type TwinPacket = {
  readonly subject: Subject;
  readonly direction: Direction;
  readonly peer: PeerIdentity;
  readonly address: Address;
  readonly protocol: number;
  readonly port: number;
};

export type TwinVerdict = {
  readonly verdict: EntryVerdict;
  readonly name: RuleName;
  /** Of a redirect. */
  readonly ruleSet?: TwinRuleSet;
};

/** What the kernel is to decide, and the name of why. */
export function twinVerdict(world: TwinWorld, packet: TwinPacket): TwinVerdict {
  const { settings } = world;
  const isInit = has(packet.subject.labels, "init");
  const free = (reason: string): TwinVerdict => ({
    verdict: "allow",
    name: { kind: "builtin", reason },
  });
  if (settings.enablePolicy === "never" && !isInit) return free("enable-policy=never");
  const forced = isInit
    ? "init"
    : settings.enablePolicy === "always"
      ? "enable-policy=always"
      : undefined;
  const about = selecting(world, packet);
  if (about.length === 0 && !forced) return free("no policy selects it");
  const enforced = outcome(
    about.filter(({ policy }) => policy.enforcement === "enforce"),
    forced,
    { world, packet },
  );
  const full = outcome(about, forced, { world, packet });
  const softened = packet.subject.audit || settings.audit ? "audit" : "deny";
  const redirect = ({ name, l7 }: Outcome, audit: boolean): TwinVerdict => ({
    verdict: "redirect",
    name,
    ruleSet: ruleSetOf(l7 as L7Outcome, packet.direction, audit),
  });
  if (enforced.l7) return redirect(enforced, softened === "audit");
  if (enforced.denies) return { verdict: softened, name: enforced.name };
  if (full.denies) return { verdict: "audit", name: full.name };
  // Nothing that is let through now would be refused by a proxy that lets everything through.
  if (full.l7 && !full.l7.opener) return redirect(full, true);
  const byNothing = enforced.name.kind === "builtin" && enforced.name.reason !== "allow-localhost";
  return { verdict: "allow", name: byNothing ? (full.l7?.opener ?? full.name) : enforced.name };
}

type About = { readonly policy: Policy; readonly spec: PolicySpec; readonly index: number };
type Outcome = { readonly denies: boolean; readonly name: RuleName; readonly l7?: L7Outcome };
type Context = { readonly world: TwinWorld; readonly packet: TwinPacket };

/** Specs that select the subject and have something to say in the direction. */
function selecting(world: TwinWorld, { subject, direction }: TwinPacket): About[] {
  const kind = has(subject.labels, "host") ? "nodes" : "endpoints";
  const found: About[] = [];
  for (const policy of world.policies)
    for (const [index, spec] of policy.specs.entries()) {
      const says =
        spec.defaultDeny[direction] ||
        spec.rules.some((rule) => rule.direction === direction && isAlive(rule, spec.tier, world));
      const isMeant = spec.subject.kind === kind && matches(spec.subject.selector, subject.labels);
      if (says && isMeant) found.push({ policy, spec, index });
    }
  const name = ({ policy: { ref } }: About) => `${ref.kind}/${ref.namespace}/${ref.name}`;
  return found.sort(
    (a, b) =>
      a.spec.priority - b.spec.priority ||
      (name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : a.index - b.index),
  );
}

function outcome(about: readonly About[], forced: string | undefined, context: Context): Outcome {
  const hits = about.flatMap(({ policy, spec }) =>
    spec.rules
      .filter(
        (rule) => rule.direction === context.packet.direction && isHit(rule, spec.tier, context),
      )
      .map((rule) => ({ tier: spec.tier, rule, ref: policy.ref })),
  );
  type Hit = (typeof hits)[number];
  const nameOf = ({ rule, ref }: Hit) => ({ kind: "rule", ref, path: rule.path }) as const;
  const decided = (hit: Hit): Outcome => ({
    denies: hit.rule.verdict === "deny",
    name: nameOf(hit),
  });
  const inTier = (tier: Hit["tier"]) => hits.filter((hit) => hit.tier === tier);
  const [admin] = inTier("admin");
  if (admin && admin.rule.verdict !== "pass") return decided(admin);
  const normal = (verdict: Rule["verdict"]) =>
    inTier("normal").find(({ rule }) => rule.verdict === verdict && !isL7(rule));
  const denial = normal("deny");
  if (denial) return decided(denial);
  const atL7 = inTier("normal").filter(({ rule }) => isL7(rule));
  if (atL7.length > 0 && !isLocalhost(context)) {
    const rules = holdingTogether(atL7.map((hit) => ({ rule: hit.rule, name: nameOf(hit) })));
    const forms = new Set(rules.flatMap(({ rule }) => formsOf(rule, context.packet)));
    const opener = inTier("normal").find(
      ({ rule }) =>
        rule.verdict === "allow" &&
        !isL7(rule) &&
        formsOf(rule, context.packet).some((form) => forms.has(form)),
    );
    const name = (rules[0] as NamedRule).name;
    return { denies: false, name, l7: { rules, opener: opener && nameOf(opener) } };
  }
  const allowed = normal("allow");
  if (allowed) return decided(allowed);
  if (isLocalhost(context))
    return { denies: false, name: { kind: "builtin", reason: "allow-localhost" } };
  if (!normal("pass")) {
    const by = about
      .filter(({ spec }) => spec.defaultDeny[context.packet.direction])
      .map(({ policy, spec }) => ({ ref: policy.ref, path: spec.path }));
    if (by.length > 0) return { denies: true, name: { kind: "default-deny", by } };
    if (forced) return { denies: true, name: { kind: "builtin", reason: forced } };
  }
  const [baseline] = inTier("baseline");
  if (baseline && baseline.rule.verdict !== "pass") return decided(baseline);
  return { denies: false, name: { kind: "builtin", reason: "no policy denies it" } };
}

function isLocalhost({ world, packet }: Context): boolean {
  return (
    world.settings.allowLocalhost &&
    packet.direction === "ingress" &&
    has(packet.peer.labels, "host")
  );
}

/** How the rule writes the ports by which it matches the packet. */
function formsOf(rule: Rule, packet: TwinPacket): string[] {
  if (!rule.ports) return isL7(rule) ? [`${packet.protocol}: 0-65535`] : [];
  return rule.ports
    .filter((port) => isPort(port, packet))
    .map((port) =>
      port.kind === "range"
        ? `${packet.protocol}: ${port.first}-${port.last}`
        : `${packet.protocol}: ${packet.port}-${packet.port}`,
    );
}

/** A rule that cannot match anybody at all says nothing. */
function isAlive(rule: Rule, tier: Tier, world: TwinWorld): boolean {
  if (!isUnderstood(rule, tier)) return false;
  const protocols = protocolsOf(rule);
  if (rule.ports?.length === 0) return false;
  if (protocols && rule.ports && !rule.ports.some((port) => protocols.includes(protocolOf(port))))
    return false;
  return rule.peers === undefined || rule.peers.some((peer) => concrete(peer, world).length > 0);
}

function isHit(rule: Rule, tier: Tier, context: Context): boolean {
  if (!isUnderstood(rule, tier)) return false;
  const { peers, ports } = rule;
  if (protocolsOf(rule)?.includes(context.packet.protocol) === false) return false;
  if (peers && !peers.some((peer) => isPeer(peer, context))) return false;
  return ports === undefined || ports.some((port) => isPort(port, context.packet));
}

function isPeer(peer: Peer, { world, packet }: Context): boolean {
  return concrete(peer, world).some((one) =>
    one.kind === "labels"
      ? matches(one.selector, packet.peer.labels)
      : one.prefix.contains(packet.address) &&
        !one.except.some((hole) => hole.contains(packet.address)) &&
        (one.scope === "any" || isExternal(packet.peer.labels, world.settings)),
  );
}

type Concrete = Extract<Peer, { kind: "labels" | "cidr" }>;

function concrete(peer: Peer, world: TwinWorld): Concrete[] {
  const external = (prefixes: readonly Prefix[], except: readonly Prefix[]) =>
    prefixes
      .filter((prefix) => !except.some((hole) => hole.contains(prefix)))
      .map((prefix): Concrete => ({ kind: "cidr", prefix, except, scope: "external" }));
  switch (peer.kind) {
    case "labels":
      return [peer];
    case "cidr":
      return peer.except.some((hole) => hole.contains(peer.prefix)) ? [] : [peer];
    case "cidr-group":
      return world.cidrGroups
        .filter(({ name }) => name === peer.name)
        .flatMap(({ prefixes }) => external(prefixes, peer.except));
    case "cidr-group-selector":
      return world.cidrGroups
        .filter((group) => matches(peer.selector, group.labels))
        .flatMap(({ prefixes }) => external(prefixes, peer.except));
    case "service":
    case "service-selector":
      return world.services
        .filter((service) => isService(peer, service))
        .flatMap((service) => {
          if (!service.selector) return external(service.backends, []);
          const wanted = { ...service.selector, "io.kubernetes.pod.namespace": service.namespace };
          const cluster = { "io.cilium.k8s.policy.cluster": world.settings.clusterName };
          const selector = Object.entries({ ...wanted, ...cluster }).map(
            ([key, value]): Requirement => ({
              source: "k8s",
              key,
              operator: "In",
              values: [value],
            }),
          );
          return [{ kind: "labels", selector } as const];
        });
    case "fqdn": {
      const key = peer.matchName ?? peer.matchPattern ?? "";
      const requirement = { source: "fqdn", key, operator: "Exists", values: [] } as const;
      return [{ kind: "labels", selector: [requirement] }];
    }
  }
}

function isService(
  peer: Extract<Peer, { kind: "service" | "service-selector" }>,
  service: PolicyService,
): boolean {
  if (peer.kind === "service")
    return service.name === peer.name && service.namespace === peer.namespace;
  const isHere = peer.namespace === undefined || peer.namespace === service.namespace;
  return isHere && matches(peer.selector, service.labels);
}

function isPort(
  match: PortMatch,
  { subject, direction, peer, protocol, port }: TwinPacket,
): boolean {
  switch (match.kind) {
    case "range":
      return match.protocol === protocol && match.first <= port && port <= match.last;
    case "icmp":
      return protocol === (match.family === 4 ? 1 : 58) && port === match.type;
    case "named":
      return (direction === "ingress" ? subject : peer).namedPorts.some(
        (named) =>
          named.name === match.name &&
          named.protocol === match.protocol &&
          match.protocol === protocol &&
          named.port === port,
      );
  }
}

function isExternal(labels: Labels, { cidrMatchMode }: PolicySettings): boolean {
  if (cidrMatchMode.includes("pods")) return true;
  const isNode = ["host", "remote-node", "kube-apiserver"].some((name) => has(labels, name));
  if (cidrMatchMode.includes("nodes") && isNode) return true;
  return ["world", "world-ipv4", "world-ipv6"].some((name) => has(labels, name));
}

function matches(selector: LabelSelector, labels: Labels): boolean {
  return selector.every(({ source, key, operator, values }) => {
    const found = [...labels].filter(
      (label) => label.key === key && (source === "any" || source === label.source),
    );
    const isIn = found.some(({ value }) => values.includes(value));
    return { In: isIn, NotIn: !isIn, Exists: found.length > 0, DoesNotExist: found.length === 0 }[
      operator
    ];
  });
}

function has(labels: Labels, name: string): boolean {
  return [...labels].some(({ source, key }) => source === "reserved" && key === name);
}
