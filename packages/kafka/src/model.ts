// What a Kafka request says, as far as policy asks.

/** A topic as a request names it: by name, by id (32 hexadecimal digits), or, in a few requests, by both. */
export type NamedTopic = { readonly name: string } | { readonly id: string };

export type Topics =
  /** The request is of a kind that names none. */
  | { readonly kind: "none" }
  | { readonly kind: "named"; readonly topics: readonly NamedTopic[] }
  /** The request is about every topic there is (Metadata without a list, for example). */
  | { readonly kind: "all" }
  /** Nobody can say: an API or a version of it that is not known here, or bytes that are not what they should be. */
  | { readonly kind: "unknown" };

export type RequestHeader = {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  /** undefined: null. */
  readonly clientId: string | undefined;
};

/** A request with every topic's name: what rules are asked about. */
export type JudgedRequest = {
  readonly header: RequestHeader;
  readonly topics:
    | { readonly kind: "none" | "all" | "unknown" }
    /** undefined: an id that no topic of the broker has. */
    | { readonly kind: "named"; readonly names: readonly (string | undefined)[] };
};

export type Decision = {
  readonly allowed: boolean;
  /** Number of the rule that allowed it (one of them, if each of its topics has its own), or the rule set's denyRule. */
  readonly rule: number;
};

/** Errors of the protocol that are answered here. */
export const errorCodes = {
  topicAuthorizationFailed: 29,
  groupAuthorizationFailed: 30,
  clusterAuthorizationFailed: 31,
  unsupportedVersion: 35,
  transactionalIdAuthorizationFailed: 53,
  fetchSessionIdNotFound: 70,
  unknownTopicId: 100,
} as const;
