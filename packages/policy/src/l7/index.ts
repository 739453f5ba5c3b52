// Requests against rule sets, as proxies decide; pure.
export { decideDns } from "./dns.ts";
export { decideL7 } from "./decide.ts";
export { decideHttp, type HeaderChange, type HttpDecision } from "./http.ts";
export { kafkaApiKeys, kafkaRoles } from "./kafka-apis.ts";
export { decideKafka } from "./kafka.ts";
export { patternProblem, toPcre } from "./pcre.ts";
export type * from "./request.ts";
export { decideSni } from "./sni.ts";
export { normalizeHost, normalizeTarget, type Target } from "./target.ts";
