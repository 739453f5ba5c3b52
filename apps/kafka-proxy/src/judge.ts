// What becomes of a request, from its first bytes: the rules of the connection, what the connection has learnt of topic
// ids and fetch sessions, and how much may be held back while more of the request is waited for.
import type { KafkaRuleSet } from "@tsilium/policy/model.ts";
import {
  apiKeys,
  type Cluster,
  decide,
  type Decision,
  denialCode,
  denialOf,
  errorCodes,
  FetchSessions,
  headerOnly,
  type JudgedRequest,
  type NamedTopic,
  namesTopics,
  parseHeader,
  parseRequest,
  type Request,
  type RequestHeader,
  type ResponseFacts,
  sessionNotFound,
  type Topics,
} from "@tsilium/kafka";

export type Judgement =
  /** Nothing can be said before so many bytes of the request are there. */
  | { readonly kind: "wait"; readonly length: number }
  /** Nothing can be said before the broker was asked for these topics' names, or, without ids, who the brokers are. */
  | { readonly kind: "resolve"; readonly request: Request; readonly ids: readonly string[] }
  | {
      readonly kind: "forward";
      readonly request: Request;
      readonly decision: Decision;
      readonly verdict: "forwarded" | "audit";
    }
  /** `response` undefined: none can be made, the connection is to be closed. */
  | {
      readonly kind: "deny";
      readonly request: Request;
      readonly decision: Decision;
      readonly errorCode: number;
      readonly response: Buffer | undefined;
    };

/** Requests up to this are held until all of them is there, if that is what it takes; longer ones are not understood. */
export const maxHeldBytes = 16 * 1024 * 1024;
/** Requests up to this are read for their topics although no rule asks for them: flows tell them. */
const readForFlowsBytes = 64 * 1024;
/** Topic ids of one connection. */
const maxTopicIds = 100_000;

export class Judge {
  readonly #rules: () => KafkaRuleSet;
  readonly sessions = new FetchSessions();
  readonly #topicNames = new Map<string, string>();
  #cluster: Cluster | undefined;

  constructor(rules: () => KafkaRuleSet) {
    this.#rules = rules;
  }

  /**
   * `bytes`: the beginning of a request of `length` bytes. `asked`: topics with these ids were asked for, and have a name
   * now or none. @throws MalformedError
   */
  judge(bytes: Buffer, length: number, asked?: ReadonlySet<string>): Judgement {
    const rules = this.#rules();
    const request = readAsFarAsAsked(bytes, length, rules);
    if ("wait" in request) return { kind: "wait", length: request.wait };
    const known = decide(rules, { header: request.header, topics: { kind: "unknown" } });
    if (known.allowed) return forward(request, known);
    const ids = this.#unnamed(rules, request);
    if (ids.length > 0 && !asked) return { kind: "resolve", request, ids };
    const decision = decide(rules, this.#named(request, request.topics));
    const session = this.sessions.stepOf(request);
    if (decision.allowed && (session === undefined || session.kind === "full"))
      return forward(request, decision);
    if (decision.allowed && session) {
      const topics = unite(
        request.topics,
        session.kind === "incremental" ? session.topics : undefined,
      );
      const ofSession = decide(rules, this.#named(request, topics));
      if (ofSession.allowed) return forward(request, ofSession);
      return this.#deny({ rules, request, decision: ofSession, isSession: true });
    }
    if (!asked && this.#needsBrokers(rules, request)) return { kind: "resolve", request, ids: [] };
    const mayComeYet = request.body === undefined && bytes.length < length;
    // A denial names every partition that was asked about.
    if (mayComeYet && request.api && length <= maxHeldBytes) return { kind: "wait", length };
    return this.#deny({ rules, request, decision, isSession: false });
  }

  /** The broker told names of topics, and who the brokers are. */
  learn({ topicNames, cluster }: Pick<ResponseFacts, "topicNames" | "cluster">): void {
    if (cluster) this.#cluster = cluster;
    for (const [id, name] of topicNames) this.#topicNames.set(id, name);
    for (const id of this.#topicNames.keys()) {
      if (this.#topicNames.size <= maxTopicIds) break;
      this.#topicNames.delete(id);
    }
  }

  /** For flows: names as far as they are known, ids for the rest. */
  topicsOf({ topics }: Request): readonly string[] {
    if (topics.kind !== "named") return [];
    return topics.topics.map((topic) => this.#nameOf(topic) ?? ("id" in topic ? topic.id : ""));
  }

  #deny(denied: {
    rules: KafkaRuleSet;
    request: Request;
    decision: Decision;
    isSession: boolean;
  }): Judgement {
    const { rules, request, decision, isSession } = denied;
    if (rules.audit) return { kind: "forward", request, decision, verdict: "audit" };
    const common = { kind: "deny", request, decision } as const;
    if (isSession)
      return {
        ...common,
        errorCode: errorCodes.fetchSessionIdNotFound,
        response: sessionNotFound(request),
      };
    const unknownIds = new Set(idsOf(request.topics).filter((id) => !this.#topicNames.has(id)));
    return {
      ...common,
      errorCode: denialCode(request),
      response: denialOf(request, { unknownIds, cluster: this.#clusterFor(request) }),
    };
  }

  /** Ids that have to be asked for: only where everything else is decided does a broker hear of the request. */
  #unnamed(rules: KafkaRuleSet, request: Request): string[] {
    const { header, topics } = request;
    const ids = idsOf(topics).filter((id) => !this.#topicNames.has(id));
    return ids.length > 0 && mayBeAllowed(rules, header) ? [...new Set(ids)] : [];
  }

  /** A client that may ask for Metadata is told who the brokers are, whatever topics are denied to it. */
  #needsBrokers(rules: KafkaRuleSet, { header, api }: Request): boolean {
    // In version 0, a question without topics is one for all of them.
    const canBeAsked =
      api !== undefined && header.apiKey === apiKeys.metadata && header.apiVersion > 0;
    return canBeAsked && !rules.audit && !this.#cluster && mayBeAllowed(rules, header);
  }

  #clusterFor({ header }: Request): Cluster | undefined {
    const isTold = header.apiKey === apiKeys.metadata && mayBeAllowed(this.#rules(), header);
    return isTold ? this.#cluster : undefined;
  }

  #named({ header }: Request, topics: Topics): JudgedRequest {
    if (topics.kind !== "named") return { header, topics };
    const names = topics.topics.map((topic) => this.#nameOf(topic));
    return { header, topics: { kind: "named", names } };
  }

  #nameOf(topic: NamedTopic): string | undefined {
    return "name" in topic ? topic.name : this.#topicNames.get(topic.id);
  }
}

function readAsFarAsAsked(
  bytes: Buffer,
  length: number,
  rules: KafkaRuleSet,
): Request | { readonly wait: number } {
  const header = parseHeader(bytes, length);
  if (!header) return { wait: Math.min(bytes.length + 1, length) };
  const parsed = parseRequest(bytes, length);
  if ("request" in parsed) return parsed.request;
  const isAsked = namesTopics(rules) || length <= readForFlowsBytes;
  if (isAsked && parsed.needs <= maxHeldBytes) return { wait: parsed.needs };
  return parsed.beginning ?? headerOnly(header);
}

/** Whether the request would be allowed if it were not for the topics that it names. */
function mayBeAllowed(rules: KafkaRuleSet, header: RequestHeader): boolean {
  return decide(rules, { header, topics: { kind: "none" } }).allowed;
}

function forward(request: Request, decision: Decision): Judgement {
  return { kind: "forward", request, decision, verdict: "forwarded" };
}

function idsOf(topics: Topics): string[] {
  if (topics.kind !== "named") return [];
  return topics.topics.flatMap((topic) => ("id" in topic ? [topic.id] : []));
}

/** undefined: nobody knows what the session fetches. */
function unite(topics: Topics, session: readonly NamedTopic[] | undefined): Topics {
  if (session === undefined) return { kind: "unknown" };
  if (topics.kind !== "named" && topics.kind !== "none") return topics;
  const all = [...(topics.kind === "named" ? topics.topics : []), ...session];
  return all.length === 0 ? { kind: "none" } : { kind: "named", topics: all };
}
