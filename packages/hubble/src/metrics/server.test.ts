import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { emptyFlow, EventType, type Flow, TrafficDirection, Verdict } from "../model.ts";
import { createFlowMetrics } from "./flow-metrics.ts";
import { MetricsServer } from "./server.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const answer: Flow = {
  ...emptyFlow,
  timeNs: 1_700_000_000_500_000_000n,
  verdict: Verdict.forwarded,
  isReply: true,
  eventType: { type: EventType.l7, subType: 0 },
  direction: TrafficDirection.ingress,
  l7: {
    kind: "http",
    type: 2,
    latencyNs: 30_000_000,
    code: 200,
    method: "GET",
    url: "http://db/x",
    protocol: "HTTP/1.1",
    headers: [{ key: "traceparent", value: `00-${traceId}-00f067aa0ba902b7-01` }],
  },
};

async function withServer<T>(
  openMetrics: boolean,
  use: (get: (accept: string, path?: string, method?: string) => Promise<Response>) => Promise<T>,
): Promise<T> {
  const registry = new Registry();
  createFlowMetrics("httpV2:exemplars=true drop", registry).note(answer);
  await using server = await MetricsServer.listen({
    address: "127.0.0.1:0",
    registry,
    openMetrics,
  });
  return await use((accept, path = "/metrics", method = "GET") =>
    fetch(`http://127.0.0.1:${server.port}${path}`, { method, headers: { accept } }),
  );
}

test("who asks for OpenMetrics gets exemplars, who does not gets Prometheus' format", () =>
  withServer(true, async (get) => {
    const open = await get("application/openmetrics-text; version=1.0.0");
    const text = await open.text();
    assert.match(open.headers.get("content-type") ?? "", /^application\/openmetrics-text/);
    const request =
      'hubble_http_requests_total{method="GET",protocol="HTTP/1.1",status="200",reporter="server"} 1';
    assert.ok(text.includes(`${request} # {traceID="${traceId}"} 1 1700000000.5\n`), text);
    assert.match(text, /# TYPE hubble_http_requests counter/);
    assert.ok(
      text.includes(
        `{le="0.05",method="GET",reporter="server"} 1 # {traceID="${traceId}"} 0.03 1700000000.5\n`,
      ),
      text,
    );
    assert.ok(text.endsWith("# EOF\n"));
    const plain = await get("text/plain");
    assert.match(plain.headers.get("content-type") ?? "", /^text\/plain/);
    const plainText = await plain.text();
    assert.ok(plainText.includes(`${request}\n`), plainText);
    assert.match(plainText, /# TYPE hubble_http_requests_total counter/);
    assert.ok(!plainText.includes(traceId));
  }));

test("where it is not switched on, OpenMetrics is for nobody; other paths and methods are refused", () =>
  withServer(false, async (get) => {
    const answer = await get("application/openmetrics-text");
    assert.match(answer.headers.get("content-type") ?? "", /^text\/plain/);
    assert.equal((await get("*/*", "/")).status, 404);
    assert.equal((await get("*/*", "/metrics", "POST")).status, 405);
    assert.equal((await get("*/*", "/metrics?x=1")).status, 200);
  }));
