// Schemas of node-to-node health, Cilium's field names.
import type { Schema } from "./router.ts";

const connectivitySchema: Schema = {
  type: "object",
  required: ["status"],
  properties: {
    latency: { type: "integer", description: "nanoseconds until the answer; absent without one" },
    status: { type: "string", description: "empty: an answer came; else why there was none" },
    lastProbed: { type: "string", format: "date-time" },
  },
};
const pathSchema: Schema = {
  type: "object",
  required: ["ip"],
  properties: { ip: { type: "string" }, icmp: connectivitySchema, http: connectivitySchema },
};
const addressesSchema: Schema = {
  type: "object",
  required: ["primary-address"],
  properties: {
    "primary-address": pathSchema,
    "secondary-addresses": { type: "array", items: pathSchema },
  },
};

export const healthStatusSchema: Schema = {
  type: "object",
  required: ["local", "nodes", "probeInterval"],
  properties: {
    local: { type: "object", properties: { name: { type: "string" } } },
    timestamp: { type: "string", format: "date-time" },
    disabled: { type: "boolean", description: "true: enable-health-checking is false" },
    probeInterval: { type: "number", description: "seconds between two probes of a node" },
    nodes: {
      type: "array",
      items: {
        type: "object",
        required: ["name"],
        properties: {
          name: { type: "string" },
          host: addressesSchema,
          "health-endpoint": addressesSchema,
        },
      },
    },
  },
};

export const healthSelfSchema: Schema = {
  type: "object",
  required: ["agent", "uptime", "load", "clusterHealth"],
  properties: {
    agent: { type: "string", description: "state of the agent" },
    uptime: { type: "integer", description: "of the agent, seconds" },
    load: {
      type: "object",
      properties: {
        last1min: { type: "number" },
        last5min: { type: "number" },
        last15min: { type: "number" },
      },
    },
    clusterHealth: { type: "string" },
  },
};
