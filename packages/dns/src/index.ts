// @tsilium/dns: messages, decisions and what is learnt from answers: all of the DNS proxy that needs no socket.
export {
  type DnsProxyConfig,
  DnsProxyConfigError,
  type DnsProxyLimits,
  defaultLimits,
  parseDnsProxyConfig,
} from "./config.ts";
export { allowAll, compileDnsRules, type Decide, type Decision, denyAll } from "./decide/rules.ts";
export { KnownNames, type Novelty, repeatS } from "./learn/known-names.ts";
export { rcode, type, typeName } from "./message/names.ts";
export { type Answer, addressText, type Question, readAnswer } from "./message/read-answer.ts";
export { NameReader } from "./message/read-name.ts";
export { headerSize, type Query, type QueryProblem, readQuery } from "./message/read-query.ts";
export { writeBareRefusal, writeRefusal } from "./message/write-refusal.ts";
export { type AnsweredQuestion, requestLayer7, responseLayer7 } from "./record.ts";
