import { reporterOf } from "../names.ts";
import { family, type MetricKind } from "./kind.ts";

const request = 1;
const nsPerSecond = 1e9;

export const kafka: MetricKind = {
  options: [],
  create: (options) => {
    const { context } = options;
    const requests = family(options, {
      name: "kafka_requests_total",
      help: "Count of Kafka requests",
      labels: ["topic", "api_key", "error_code", "reporter"],
    });
    const durations = family(options, {
      name: "kafka_request_duration_seconds",
      help: "Quantiles of Kafka request duration in seconds",
      labels: ["topic", "api_key", "reporter"],
      type: "histogram",
    });
    const { own } = requests;
    return {
      families: [requests.family, durations.family],
      note: (flow) => {
        const { l7 } = flow;
        if (l7?.kind !== "kafka" || l7.type !== request) return;
        for (const { values } of [requests, durations]) {
          context.fill(values, flow, false);
          values[own] = l7.topic;
          values[own + 1] = l7.apiKey;
          values[own + 2] = reporterOf(flow);
        }
        requests.values[own + 3] = reporterOf(flow);
        requests.values[own + 2] = String(l7.errorCode);
        requests.family.count(requests.values);
        durations.family.observe(durations.values, l7.latencyNs / nsPerSecond);
      },
    };
  },
};
