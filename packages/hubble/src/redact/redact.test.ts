import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyFlow, type Flow, type HttpHeader } from "../model.ts";
import { makeRedact, type RedactOptions } from "./redact.ts";

const defaults: RedactOptions = {
  enabled: false,
  urlQuery: false,
  userInfo: true,
  headersAllow: [],
  headersDeny: [],
  kafkaApiKey: false,
};
const http = (url: string, headers: readonly HttpHeader[] = []): Flow => ({
  ...emptyFlow,
  summary: `HTTP/1.1 GET ${url}`,
  l7: {
    kind: "http",
    type: 1,
    latencyNs: 0,
    code: 0,
    method: "GET",
    url,
    protocol: "HTTP/1.1",
    headers,
  },
});
const kafka: Flow = {
  ...emptyFlow,
  summary: "Kafka request produce correlation id 1 topic 'produced'",
  l7: {
    kind: "kafka",
    type: 1,
    latencyNs: 0,
    errorCode: 0,
    apiVersion: 1,
    apiKey: "produce",
    correlationId: 1,
    topic: "produced",
  },
};
const urlOf = ({ l7 }: Flow) => (l7?.kind === "http" ? l7.url : undefined);

const urls: readonly (readonly [Partial<RedactOptions>, string, string])[] = [
  [{}, "http://web/a?b=c#d", "http://web/a?b=c#d"],
  [{}, "/a?b=c@d", "/a?b=c@d"],
  [{}, "http://web/a@b", "http://web/a@b"],
  [{}, "http://user:secret@web/a", "http://user:HUBBLE_REDACTED@web/a"],
  [{}, "http://user:s:e@c@web/a", "http://user:HUBBLE_REDACTED@web/a"],
  [{}, "HTTPS://user:@web", "HTTPS://user:HUBBLE_REDACTED@web"],
  [{}, "//user:secret@web/", "//user:HUBBLE_REDACTED@web/"],
  [{}, "https://ghp_token@web/", "https://HUBBLE_REDACTED@web/"],
  [{}, "http://user:sec\\ret@web/", "http://user:HUBBLE_REDACTED@web/"],
  [{}, "http://user:sec\nret@web/", "http://user:HUBBLE_REDACTED@web/"],
  [{ userInfo: false }, "http://user:secret@web/a", "http://user:secret@web/a"],
  [{ urlQuery: true }, "http://web/a?b=c", "http://web/a?b=c"],
  [{ enabled: true, urlQuery: true }, "http://u:p@web/a?b=c#d", "http://u:HUBBLE_REDACTED@web/a"],
  [{ enabled: true, urlQuery: true }, "/a?b\n=c", "/a"],
  [{ enabled: true, urlQuery: true }, "/a#b?c", "/a"],
  [{ enabled: true, urlQuery: true }, "", ""],
];

for (const [options, url, expected] of urls)
  test(`${JSON.stringify(options)}: ${JSON.stringify(url)}`, () => {
    const flow = makeRedact({ ...defaults, ...options })(http(url));
    assert.equal(urlOf(flow), expected);
    assert.equal(flow.summary, `HTTP/1.1 GET ${expected}`);
  });

const headers: readonly (readonly [Partial<RedactOptions>, string])[] = [
  [{}, "Accept=*/* Authorization=Basic x"],
  [{ headersDeny: ["accept"] }, "Accept=*/* Authorization=Basic x"],
  [{ enabled: true }, "Accept=HUBBLE_REDACTED Authorization=HUBBLE_REDACTED"],
  [{ enabled: true, headersAllow: ["ACCEPT"] }, "Accept=*/* Authorization=HUBBLE_REDACTED"],
  [{ enabled: true, headersDeny: ["authorization"] }, "Accept=*/* Authorization=HUBBLE_REDACTED"],
];

for (const [options, expected] of headers)
  test(`headers with ${JSON.stringify(options)}`, () => {
    const { l7 } = makeRedact({ ...defaults, ...options })(
      http("/", [
        { key: "Accept", value: "*/*" },
        { key: "Authorization", value: "Basic x" },
      ]),
    );
    assert.ok(l7?.kind === "http");
    assert.equal(l7.headers.map(({ key, value }) => `${key}=${value}`).join(" "), expected);
  });

test("a Kafka api key goes from the record and from the summary, where the topic stays", () => {
  const flow = makeRedact({ ...defaults, enabled: true, kafkaApiKey: true })(kafka);
  assert.ok(flow.l7?.kind === "kafka");
  assert.equal(flow.l7.apiKey, "HUBBLE_REDACTED");
  assert.equal(flow.summary, "Kafka request HUBBLE_REDACTED correlation id 1 topic 'produced'");
  assert.deepEqual(makeRedact({ ...defaults, enabled: true })(kafka), kafka);
});

test("flows without a record of layer 7 are passed on as they are", () => {
  assert.equal(makeRedact({ ...defaults, enabled: true })(emptyFlow), emptyFlow);
});

test("two lists of headers are refused", () => {
  assert.throws(
    () => makeRedact({ ...defaults, headersAllow: ["a"], headersDeny: ["b"] }),
    /exclude each other/,
  );
});

test("nothing of a planted secret is left, wherever it stands", () => {
  const secret = "s3cr3t";
  const redact = makeRedact({ ...defaults, enabled: true, urlQuery: true, kafkaApiKey: true });
  for (const url of [
    `http://u:${secret}@h/`,
    `http://${secret}@h/`,
    `/p?token=${secret}`,
    `//${secret}:${secret}@h`,
  ]) {
    const text = JSON.stringify(
      redact(http(url, [{ key: "X-Token", value: secret }])),
      (_, value) => (typeof value === "bigint" ? String(value) : value),
    );
    // Of user:password the user is told, as in Cilium.
    assert.equal(text.replaceAll(`//${secret}:`, "").includes(secret), false, text);
  }
});
