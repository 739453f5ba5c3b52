// @tsilium/apiserver: a Kubernetes-compatible API in one process, on one SQLite file.
export { ApiServer, defaultServiceRanges, type ApiServerOptions, type Listener } from "./server.ts";
export { AuditLog, type AuditLogOptions } from "./audit/log.ts";
export type { AuditEvent } from "./audit/event.ts";
export { createPki, type Credentials, type Pki, type PkiOptions } from "./auth/pki.ts";
export type { TokenUser, User } from "./auth/user.ts";
export type { RequestLog } from "./http/handler.ts";
export { ApiError, type Cause } from "./errors.ts";
export type { NodePortRange } from "./kinds/node-ports.ts";
export type { Admission } from "./kinds/kind.ts";
export type { Admissions } from "./kinds/registry.ts";
