// Redaction of what may be secret in flows.
export { makeRedact, type Redact, type RedactOptions, redacted } from "./redact.ts";
