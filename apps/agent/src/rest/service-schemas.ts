// JSON Schemas of services as the REST API shows them. A test holds real answers against them.
import type { Schema } from "./router.ts";
import { listOf, object } from "./schemas.ts";

const text: Schema = { type: "string" };
const number: Schema = { type: "integer" };
const truth: Schema = { type: "boolean" };
const trafficPolicy: Schema = { enum: ["Cluster", "Local"] };

const backend = object({
  id: number,
  address: text,
  port: number,
  protocol: text,
  state: { enum: ["active", "terminating", "maintenance"] },
  "nodeName?": text,
  "zone?": text,
  "weight?": number,
});

export const serviceSchema = object({
  id: number,
  frontend: object({ address: text, port: number, protocol: text }),
  type: {
    enum: ["ClusterIP", "NodePort", "LoadBalancer", "ExternalIPs", "HostPort", "LocalRedirect"],
  },
  name: text,
  namespace: text,
  portName: text,
  flags: object({
    externalTrafficPolicy: trafficPolicy,
    internalTrafficPolicy: trafficPolicy,
    sessionAffinityTimeout: number,
    algorithm: { enum: ["random", "maglev"] },
    forwardingMode: { enum: ["snat", "dsr"] },
    localRedirect: truth,
    "sourceRanges?": listOf(text),
    "healthCheckNodePort?": number,
  }),
  backends: listOf(backend),
  "externalBackends?": listOf(backend),
});

const warning = { path: text, message: text };
export const warningSchema = object({ service: text, ...warning });

export const redirectSchema = object({
  namespace: text,
  name: text,
  frontendType: { enum: ["address", "service"] },
  "service?": text,
  skipRedirectFromBackend: truth,
  frontends: listOf(serviceSchema),
  warnings: listOf(object(warning)),
});
