// Fetch sessions (KIP-227): after a first Fetch that names all topics, the next ones name only what changes, and the
// broker remembers the rest. So what a session fetches has to be remembered here too, and judged with every Fetch.
import { apiKeys } from "./apis/api.ts";
import type { NamedTopic } from "./model.ts";
import type { Structure } from "./protocol/decode.ts";
import type { Request } from "./request.ts";

/** How a Fetch relates to its session. */
export type SessionStep =
  /** It names all it fetches. `begins`: the broker may begin a session with these topics. */
  | { readonly kind: "full"; readonly begins: boolean }
  /** It goes on with what a session of this connection has. */
  | { readonly kind: "incremental"; readonly topics: readonly NamedTopic[] }
  /** Of a session that did not begin on this connection: nobody here knows what it fetches. */
  | { readonly kind: "unknown" };

/** Sessions of one connection; a client has one per broker, two while it changes. */
const maxSessions = 8;
const maxTopics = 50_000;

export class FetchSessions {
  readonly #topics = new Map<number, ReadonlyMap<string, NamedTopic>>();

  /** undefined: no Fetch with a body. */
  stepOf(request: Request): SessionStep | undefined {
    const fetch = sessionFields(request);
    if (!fetch) return undefined;
    const { sessionId, epoch } = fetch;
    // Epoch 0 begins a session, -1 ends one (KIP-227): both name everything themselves.
    if (epoch <= 0 || sessionId === 0) return { kind: "full", begins: epoch === 0 };
    const topics = this.#topics.get(sessionId);
    return topics ? { kind: "incremental", topics: [...topics.values()] } : { kind: "unknown" };
  }

  /**
   * A request goes to the broker. What an incremental Fetch adds is of the session from now on; a Fetch that was not read
   * may add anything to any session.
   */
  pass(request: Request): void {
    const { header, body } = request;
    if (header.apiKey === apiKeys.fetch && !body) this.#topics.clear();
    if (this.stepOf(request)?.kind === "incremental") this.#extend(request);
  }

  #extend(request: Request): void {
    const sessionId = sessionFields(request)?.sessionId ?? 0;
    const known = this.#topics.get(sessionId);
    if (!known) return;
    this.#remember(sessionId, new Map([...known, ...topicsOf(request)]));
  }

  /** The broker answered a Fetch that may begin a session. */
  begin(sessionId: number, request: Request): void {
    if (sessionId !== 0) this.#remember(sessionId, topicsOf(request));
  }

  // What is forgotten is answered as a session that is not known, and begun anew by the client. Topics that a client
  // takes out of its session stay: to deny what is fetched no more is only a detour over a new session.
  #remember(sessionId: number, topics: ReadonlyMap<string, NamedTopic>): void {
    this.#topics.delete(sessionId);
    if (topics.size > maxTopics) return;
    this.#topics.set(sessionId, topics);
    const [oldest] = this.#topics.keys();
    if (this.#topics.size > maxSessions && oldest !== undefined) this.#topics.delete(oldest);
  }
}

/** What of a Fetch its session is about once it is answered, each topic once; of other requests nothing. */
export function sessionPart(request: Request): Pick<Request, "topics" | "body"> {
  const fetch = sessionFields(request);
  if (!fetch) return { topics: { kind: "none" }, body: request.body && {} };
  const { sessionId, epoch } = fetch;
  // Only a session that begins is told of its topics by an answer.
  const topics = epoch === 0 ? [...topicsOf(request).values()] : [];
  return {
    topics: topics.length === 0 ? { kind: "none" } : { kind: "named", topics },
    body: { sessionId, sessionEpoch: epoch },
  };
}

function sessionFields({
  header,
  body,
}: Request): { sessionId: number; epoch: number } | undefined {
  if (header.apiKey !== apiKeys.fetch || !body) return undefined;
  const { sessionId = 0, sessionEpoch = -1 } = body as Structure & {
    sessionId?: number;
    sessionEpoch?: number;
  };
  return { sessionId, epoch: sessionEpoch };
}

function topicsOf({ topics }: Request): ReadonlyMap<string, NamedTopic> {
  const named = topics.kind === "named" ? topics.topics : [];
  return new Map(named.map((topic) => ["id" in topic ? topic.id : topic.name, topic]));
}
