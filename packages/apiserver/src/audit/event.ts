// One request as an audit.k8s.io/v1 Event, of level Metadata: who asked for what, from where, and what came of it. No body
// is ever part of one.
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Verb } from "../auth/roles.ts";
import type { User } from "../auth/user.ts";
import { ApiError } from "../errors.ts";
import type { Target } from "../verbs/target.ts";

export type AuditStage = "ResponseStarted" | "ResponseComplete";

export type ObjectReference = {
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly apiGroup?: string;
  readonly apiVersion: string;
  readonly subresource?: string;
};

export type AuditedUser = { readonly username?: string; readonly groups?: readonly string[] };

export type AuditEvent = {
  readonly kind: "Event";
  readonly apiVersion: "audit.k8s.io/v1";
  readonly level: "Metadata";
  readonly auditID: string;
  readonly stage: AuditStage;
  readonly requestURI: string;
  readonly verb: string;
  readonly user: AuditedUser;
  /** As whom the user acted. */
  readonly impersonatedUser?: AuditedUser;
  readonly sourceIPs: readonly string[];
  readonly userAgent?: string;
  readonly objectRef?: ObjectReference;
  readonly responseStatus: {
    readonly metadata: object;
    readonly status?: "Failure";
    readonly message?: string;
    readonly reason?: string;
    readonly code: number;
  };
  /** RFC 3339 with microseconds, as the one below. */
  readonly requestReceivedTimestamp: string;
  readonly stageTimestamp: string;
  readonly annotations?: Readonly<Record<string, string>>;
};

/** What a client may call its request; other names are replaced. */
const clientId = /^[A-Za-z0-9._:-]{1,64}$/;
const maxUserAgentLength = 1024;

/** The account of one request, filled in as it goes through the server. */
export class AuditedRequest {
  readonly id: string;
  readonly #request: IncomingMessage;
  readonly #receivedAt = microTime();
  readonly #sourceIp: string | undefined;
  #user: User | undefined;
  #actingAs: User | undefined;
  #verb: string;
  #target: Target | undefined;
  #name: string | undefined;
  #decision: "allow" | "forbid" | undefined;
  #error: ApiError | undefined;

  constructor(request: IncomingMessage) {
    const asked = request.headers["audit-id"];
    this.id = typeof asked === "string" && clientId.test(asked) ? asked : randomUUID();
    this.#request = request;
    this.#verb = (request.method ?? "").toLowerCase();
    // Gone from the socket once it is closed.
    this.#sourceIp = request.socket.remoteAddress;
  }

  identified(user: User): void {
    this.#user = user;
  }

  impersonating(user: User): void {
    this.#actingAs = user;
  }

  aimedAt(target: Target, verb: Verb): void {
    this.#target = target;
    this.#verb = verb;
  }

  decided(decision: "allow" | "forbid"): void {
    this.#decision = decision;
  }

  /** The name that a new object got. */
  named(name: string): void {
    this.#name = name;
  }

  failed(error: unknown): void {
    this.#error = error instanceof ApiError ? error : new ApiError(500, "InternalError", "");
  }

  event(stage: AuditStage, { statusCode }: Pick<ServerResponse, "statusCode">): AuditEvent {
    const { url = "/", headers } = this.#request;
    const agent = headers["user-agent"]?.slice(0, maxUserAgentLength);
    const objectRef = this.#objectRef();
    return {
      kind: "Event",
      apiVersion: "audit.k8s.io/v1",
      level: "Metadata",
      auditID: this.id,
      stage,
      requestURI: url,
      verb: this.#verb,
      user: audited(this.#user),
      ...(this.#actingAs ? { impersonatedUser: audited(this.#actingAs) } : {}),
      sourceIPs: this.#sourceIp === undefined ? [] : [this.#sourceIp],
      ...(agent === undefined ? {} : { userAgent: agent }),
      ...(objectRef ? { objectRef } : {}),
      responseStatus: { metadata: {}, ...this.#failure(), code: statusCode },
      requestReceivedTimestamp: this.#receivedAt,
      stageTimestamp: microTime(),
      ...(this.#decision
        ? {
            annotations: {
              "authorization.k8s.io/decision": this.#decision,
              "authorization.k8s.io/reason": "",
            },
          }
        : {}),
    };
  }

  #objectRef(): ObjectReference | undefined {
    const target = this.#target;
    if (!target) return undefined;
    const { kind, namespace, version, subresource } = target;
    const name = target.name || this.#name;
    return {
      resource: kind.plural,
      ...(namespace ? { namespace } : {}),
      ...(name ? { name } : {}),
      ...(kind.group ? { apiGroup: kind.group } : {}),
      apiVersion: version,
      ...(subresource ? { subresource } : {}),
    };
  }

  /** What is wrong with a Secret may quote it: of those only the reason is told. */
  #failure(): Partial<AuditEvent["responseStatus"]> {
    const error = this.#error;
    if (!error) return {};
    const secret = this.#target?.kind.group === "" && this.#target.kind.plural === "secrets";
    const message = secret && error.status !== 404 ? undefined : error.message;
    return {
      status: "Failure",
      ...(message ? { message } : {}),
      ...(error.code ? { reason: error.code } : {}),
    };
  }
}

function audited(user: User | undefined): AuditedUser {
  return user ? { username: user.name, groups: user.groups } : {};
}

/** metav1.MicroTime; the clock that we have tells milliseconds, the counter beside it the rest. */
function microTime(): string {
  const ms = performance.timeOrigin + performance.now();
  const micros = String(Math.floor((ms % 1000) * 1000)).padStart(6, "0");
  return `${new Date(ms).toISOString().slice(0, 19)}.${micros}Z`;
}
