// http, and httpV2, which counts requests by their answers and names the ends as the request has them.
import { traceIdOf } from "../trace-id.ts";
import { reporterOf } from "../names.ts";
import { family, type KindOptions, type MetricKind } from "./kind.ts";

const request = 1;
const response = 2;
const nsPerSecond = 1e9;

function duration(options: KindOptions) {
  return family(options, {
    name: "http_request_duration_seconds",
    help: "Quantiles of HTTP request duration in seconds",
    labels: ["method", "reporter"],
    type: "histogram",
  });
}

const requestsAbout = { name: "http_requests_total", help: "Count of HTTP requests" };

export const http: MetricKind = {
  options: [],
  excludes: ["httpV2"],
  create: (options) => {
    const { context } = options;
    const requests = family(options, {
      ...requestsAbout,
      labels: ["method", "protocol", "reporter"],
    });
    const responses = family(options, {
      name: "http_responses_total",
      help: "Count of HTTP responses",
      labels: ["method", "status", "reporter"],
    });
    const durations = duration(options);
    const { own } = requests;
    return {
      families: [requests.family, responses.family, durations.family],
      note: (flow) => {
        const { l7 } = flow;
        if (l7?.kind !== "http" || (l7.type !== request && l7.type !== response)) return;
        const { family: counted, values } = l7.type === request ? requests : responses;
        context.fill(values, flow, false);
        values[own] = l7.method;
        values[own + 1] = l7.type === request ? l7.protocol : String(l7.code);
        values[own + 2] = reporterOf(flow);
        counted.count(values);
        if (l7.type === request) return;
        context.fill(durations.values, flow, false);
        durations.values[own] = l7.method;
        durations.values[own + 1] = reporterOf(flow);
        durations.family.observe(durations.values, l7.latencyNs / nsPerSecond);
      },
    };
  },
};

export const httpV2: MetricKind = {
  options: ["exemplars"],
  excludes: ["http"],
  create: (options) => {
    const { context } = options;
    const exemplars = options.options.get("exemplars") === "true";
    const requests = family(options, {
      ...requestsAbout,
      labels: ["method", "protocol", "status", "reporter"],
    });
    const durations = duration(options);
    const { values, own } = requests;
    return {
      families: [requests.family, durations.family],
      note: (flow) => {
        const { l7 } = flow;
        if (l7?.kind !== "http" || l7.type !== response) return;
        const seconds = l7.latencyNs / nsPerSecond;
        const traceId = exemplars ? traceIdOf(l7.headers) : undefined;
        const about = {
          labelSet: { traceID: traceId ?? "" },
          timestamp: Number(flow.timeNs) / nsPerSecond,
        };
        const exemplar = (value: number) =>
          traceId === undefined ? undefined : { ...about, value };
        // Flows of answers have the server as their source.
        context.fill(values, flow, true);
        values[own] = l7.method;
        values[own + 1] = l7.protocol;
        values[own + 2] = String(l7.code);
        values[own + 3] = reporterOf(flow);
        requests.family.count(values, exemplar(1));
        context.fill(durations.values, flow, true);
        durations.values[own] = l7.method;
        durations.values[own + 1] = reporterOf(flow);
        durations.family.observe(durations.values, seconds, exemplar(seconds));
      },
    };
  },
};
