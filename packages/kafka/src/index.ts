// @tsilium/kafka: Kafka requests, as far as policy asks, and what is answered to those that are denied.
export { allApis, type Api, apiKeys, apiName, apiOf } from "./apis/api.ts";
export { decide, namesTopics } from "./decide.ts";
export { denialCode, denialOf, type DenialOptions, sessionNotFound } from "./denial.ts";
export { FetchSessions, sessionPart, type SessionStep } from "./fetch-sessions.ts";
export * from "./model.ts";
export { MalformedError } from "./protocol/error.ts";
export { headerOnly, parseHeader, parseRequest, type Parsed, type Request } from "./request.ts";
export { type Cluster, readResponse, type ResponseFacts } from "./response.ts";
export { topicQuery, type TopicQuery } from "./topic-query.ts";
