// Requests and answers, as flows will tell them.
import { apiName, type Request } from "@tsilium/kafka";
import type { Direction } from "@tsilium/policy/model.ts";
import type { ProxyRecord } from "@tsilium/proxy/model.ts";

export type End = { readonly address: string; readonly port: number };

export type Told = {
  readonly rule: number;
  readonly errorCode: number;
  /** A record each, up to `maxTopics`; without any, one. */
  readonly topics: readonly string[];
};

export type RecordSink = {
  request(request: Request, told: Told & { readonly verdict: ProxyRecord["verdict"] }): void;
  response(request: Request, told: Told & { readonly latencyMs: number }): void;
  /** A connection that could not be followed any further. */
  failed(): void;
};

export type RequestCounts = { forwarded: number; denied: number; errors: number };

export type RecordSinkOptions = {
  /** Listener that accepted the connection. */
  readonly port: number;
  readonly direction: Direction;
  readonly client: End;
  readonly server: End;
  readonly counts: RequestCounts;
  readonly add: (record: ProxyRecord) => void;
};

const tcp = 6;
const requestType = 1;
const responseType = 2;
const maxTopics = 16;
/** A topic's name is 249 characters at most; what is longer is none. */
const maxTopicLength = 255;

/** Records of one connection. */
export function recordSink({ counts, add, ...ends }: RecordSinkOptions): RecordSink {
  const tell = (request: Request, { verdict, rule, errorCode, topic, latencyMs }: Single): void => {
    const { apiKey, apiVersion, correlationId } = request.header;
    add({
      timeNs: nowNs(),
      ...ends,
      protocol: tcp,
      verdict,
      rule,
      l7: {
        type: latencyMs === undefined ? requestType : responseType,
        latencyNs: Math.round((latencyMs ?? 0) * 1e6),
        kind: "kafka",
        errorCode,
        apiVersion: Math.max(apiVersion, 0),
        apiKey: apiName(apiKey),
        correlationId,
        topic: topic.slice(0, maxTopicLength),
      },
    });
  };
  return {
    request(request, { topics, ...told }) {
      counts[told.verdict === "denied" ? "denied" : "forwarded"]++;
      const named = [...new Set(topics)].slice(0, maxTopics);
      for (const topic of named.length === 0 ? [""] : named) tell(request, { ...told, topic });
    },
    response(request, { topics: [topic = ""], ...told }) {
      tell(request, { ...told, verdict: "forwarded", topic });
    },
    failed() {
      counts.errors++;
    },
  };
}

type Single = {
  readonly verdict: ProxyRecord["verdict"];
  readonly rule: number;
  readonly errorCode: number;
  readonly topic: string;
  readonly latencyMs?: number;
};

/** UNIX time; microseconds are what a double holds of it. */
function nowNs(): string {
  const microseconds = Math.round((performance.timeOrigin + performance.now()) * 1000);
  return `${microseconds}000`;
}
