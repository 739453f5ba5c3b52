// The webhook as an API server meets it: over TLS, by the address and the certificate that its configuration names.
import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpsRequest } from "node:https";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import { KubeError, resources } from "@tsilium/kube";
import { createLog } from "@tsilium/runtime";
import { startTestApi, type TestApi } from "@tsilium/testkit/api-server.ts";
import { policyJudges } from "../policies/judge.ts";
import { configurations, type StoredConfiguration } from "../testing/webhook-configurations.ts";
import { configurationName } from "./configuration.ts";
import type { WebhookServerOptions } from "./server.ts";
import { PolicyWebhook, type WebhookOptions } from "./webhook.ts";

let api: TestApi;
before(async () => {
  api = await startTestApi();
});
after(() => api[Symbol.asyncDispose]());

type Answered = Parameters<WebhookServerOptions["onAnswer"]>[0];
type Served = { readonly webhook: PolicyWebhook; readonly answers: readonly Answered[] };

/** Runs a webhook for as long as `body` takes. */
async function withWebhook(
  options: Partial<WebhookOptions>,
  body: (served: Served) => Promise<void>,
): Promise<void> {
  const stopping = new AbortController();
  const answers: Answered[] = [];
  const webhook = PolicyWebhook.start({
    client: api.client,
    address: "127.0.0.1:0",
    reachedAt: "",
    judges: policyJudges(),
    onAnswer: (answer) => answers.push(answer),
    log: createLog({ level: "fatal" }),
    signal: stopping.signal,
    checkMs: 50,
    ...options,
  });
  try {
    await body({ webhook, answers });
  } finally {
    stopping.abort(new Error("stopped"));
    await webhook.stopped;
  }
}

/** Counted from when something is asked: other files' tests run in this process before ours. */
const patience = () => AbortSignal.timeout(30_000);

async function stored(): Promise<StoredConfiguration | undefined> {
  try {
    return await api.client.get(configurations, configurationName, { signal: patience() });
  } catch (error) {
    if (KubeError.isNotFound(error)) return undefined;
    throw error;
  }
}

/** The configuration as soon as it is as `test` wants it. */
async function eventually<T>(read: () => Promise<T>, test: (value: T) => boolean): Promise<T> {
  const signal = patience();
  for (;;) {
    const value = await read();
    if (test(value)) return value;
    await sleep(10, undefined, { signal });
  }
}

const present = async () =>
  (await eventually(stored, (found) => found !== undefined)) as StoredConfiguration;

/** The configuration once the webhook has made it its own. */
async function configured({ webhook }: Served): Promise<StoredConfiguration> {
  const isOurs = ({ message }: { readonly message: string }) => message === "API servers ask it";
  await eventually(async () => webhook.health(), isOurs);
  return present();
}

type Reached = { readonly url: URL; readonly ca: string };

function reached({ webhooks }: StoredConfiguration): Reached {
  const { url = "", caBundle } = webhooks[0]?.clientConfig ?? { caBundle: "" };
  return { url: new URL(url), ca: Buffer.from(caBundle, "base64").toString() };
}

type Sent = {
  readonly method?: string;
  readonly path?: string;
  readonly type?: string;
  readonly body: string | Buffer;
};
type Answer = { readonly status: number; readonly text: string };

/** What an API server does: one request, and the certificate must be good for the address. */
async function post({ url, ca }: Reached, { method, path, type, body }: Sent): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const request = httpsRequest(
    {
      host: url.hostname,
      port: url.port,
      path: path ?? url.pathname,
      method: method ?? "POST",
      ca,
      agent: false,
      headers: { "Content-Type": type ?? "application/json" },
    },
    (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    },
  );
  request.on("error", reject).end(body);
  return promise;
}

const review = (spec: object) =>
  JSON.stringify({
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid: "u",
      kind: { group: "cilium.io", version: "v2", kind: "CiliumNetworkPolicy" },
      operation: "CREATE",
      object: {
        apiVersion: "cilium.io/v2",
        kind: "CiliumNetworkPolicy",
        metadata: { name: "p", namespace: "shop" },
        spec,
      },
    },
  });
const good = review({ endpointSelector: {}, ingress: [{}] });
const bad = review({ endpointSelector: {}, ingress: [{ fromCIDR: ["10.0.0.0/33"] }] });

test("an API server finds the webhook by its configuration, and trusts it by that alone", async () => {
  await withWebhook({}, async (served) => {
    const to = reached(await configured(served));
    const { status, text } = await post(to, { body: bad });
    assert.equal(status, 200);
    const { uid, allowed, status: why } = JSON.parse(text).response;
    assert.deepEqual([uid, allowed], ["u", false]);
    assert.match(why.message, /^spec\.ingress\[0\]\.fromCIDR\[0\]: /);
    assert.equal(JSON.parse((await post(to, { body: good })).text).response.allowed, true);
    assert.deepEqual(served.answers, [
      { kind: "CiliumNetworkPolicy", outcome: "refused" },
      { kind: "CiliumNetworkPolicy", outcome: "allowed" },
    ]);
    await assert.rejects(post({ ...to, ca: "" }, { body: good }), /certificate/);
  });
});

test("what does not parse is not stored, and says where", () =>
  withWebhook({}, async (served) => {
    await configured(served);
    const create = (name: string, except: string) =>
      api.client.create(
        resources.ciliumNetworkPolicies,
        {
          metadata: { name, namespace: "default" },
          spec: {
            endpointSelector: {},
            ingress: [{ fromCIDRSet: [{ cidr: "10.0.0.0/8", except: [except] }] }],
          },
        },
        { signal: patience() },
      );
    await assert.rejects(
      create("bad", "11.0.0.0/16"),
      /policies\.tsilium\.io.*spec\.ingress\[0\]\.fromCIDRSet\[0\]/,
    );
    await create("good", "10.1.0.0/16");
    const { items } = await api.client.list(resources.ciliumNetworkPolicies, {
      signal: patience(),
    });
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      ["good"],
    );
  }));

test("the configuration says what API servers are to send, and to go on without us", () =>
  withWebhook({}, async (served) => {
    const [webhook] = (await configured(served)).webhooks;
    const { clientConfig: _, ...rest } = webhook ?? {};
    assert.deepEqual(rest, {
      name: "policies.tsilium.io",
      rules: [
        ["networking.k8s.io", "v1", ["networkpolicies"]],
        [
          "cilium.io",
          "v2",
          [
            "ciliumnetworkpolicies",
            "ciliumclusterwidenetworkpolicies",
            "ciliumcidrgroups",
            "ciliumloadbalancerippools",
            "ciliumlocalredirectpolicies",
          ],
        ],
        ["policy.networking.k8s.io", "v1alpha2", ["clusternetworkpolicies"]],
      ].map(([group, version, plurals]) => ({
        apiGroups: [group],
        apiVersions: [version],
        resources: plurals,
        operations: ["CREATE", "UPDATE"],
        scope: "*",
      })),
      failurePolicy: "Ignore",
      matchPolicy: "Equivalent",
      sideEffects: "None",
      admissionReviewVersions: ["v1"],
      timeoutSeconds: 2,
      namespaceSelector: {},
      objectSelector: {},
    });
  }));

test("a configuration that others change or delete is put right; one that is right is left alone", () =>
  withWebhook({}, async (served) => {
    const ours = await configured(served);
    await sleep(200);
    assert.equal((await present()).metadata.resourceVersion, ours.metadata.resourceVersion);
    await api.client.patch(configurations, configurationName, {
      type: "merge",
      patch: { metadata: { labels: { theirs: "stays" } }, webhooks: [] },
      signal: patience(),
    });
    const repaired = await eventually(present, ({ webhooks }) => webhooks.length > 0);
    assert.deepEqual(repaired.webhooks, ours.webhooks);
    assert.equal(repaired.metadata.labels?.["theirs"], "stays");
    await api.client.delete(configurations, configurationName, { signal: patience() });
    assert.deepEqual((await present()).webhooks, ours.webhooks);
  }));

test("the next operator makes the configuration its own", async () => {
  await withWebhook({}, async (served) => void (await configured(served)));
  const before = reached(await present());
  await withWebhook({}, async (served) => {
    const now = reached(await configured(served));
    assert.notEqual(now.ca, before.ca);
    assert.equal((await post(now, { body: good })).status, 200);
  });
});

test("a Service or a name can stand in for the address", async () => {
  await withWebhook({ reachedAt: "kube-system/tsilium-operator" }, async (served) => {
    const { service } = (await configured(served)).webhooks[0]?.clientConfig ?? {};
    assert.deepEqual(service, {
      namespace: "kube-system",
      name: "tsilium-operator",
      path: "/validate",
      port: 443,
    });
  });
  await withWebhook({ reachedAt: "localhost" }, async (served) => {
    const to = reached(await configured(served));
    assert.equal(to.url.hostname, "localhost");
    assert.equal((await post(to, { body: good })).status, 200);
  });
});

test("switched off, what an earlier one left behind is removed", async () => {
  await present();
  await withWebhook({ address: "" }, async ({ webhook }) => {
    await webhook.stopped;
    assert.equal(await stored(), undefined);
    assert.equal(webhook.health().state, "disabled");
  });
});

test("an address that cannot be had is told and tried again; the operator goes on", () =>
  withWebhook({ address: "192.0.2.1:9443" }, async ({ webhook }) => {
    const health = await eventually(
      async () => webhook.health(),
      ({ state }) => state === "degraded",
    );
    assert.match(health.message, /EADDRNOTAVAIL/);
  }));

/** An update between two objects of that many levels. */
function nested(levels: number): string {
  const deep = `{"a":${"[".repeat(levels)}${"]".repeat(levels)}}`;
  return good
    .replace('"CREATE"', '"UPDATE"')
    .replace(/"object":.*/, `"object":${deep},"oldObject":${deep}}}`);
}

/** sentence, what is sent, status */
const refused: readonly (readonly [string, Sent, number])[] = [
  ["GET", { method: "GET", body: "" }, 405],
  ["another path", { path: "/", body: good }, 404],
  ["a form", { type: "application/x-www-form-urlencoded", body: "a=b" }, 415],
  ["no body", { body: "" }, 400],
  ["broken JSON", { body: good.slice(1) }, 400],
  ["no review", { body: "{}" }, 400],
  ["levels without end", { body: "[".repeat(1_000_000) }, 400],
  ["levels with an end far away", { body: nested(100_000) }, 400],
  ["more than 8 MiB", { body: Buffer.alloc(8 * 1024 * 1024 + 1, " ") }, 413],
];

test("whatever is no review is refused, and the next one answered", () =>
  withWebhook({}, async (served) => {
    const to = reached(await configured(served));
    for (const [sentence, sent, status] of refused) {
      // One that is refused unread may find its connection ended before all of it is sent.
      const answer = await post(to, sent).catch((error: NodeJS.ErrnoException) => error.code);
      if (typeof answer === "object") assert.equal(answer.status, status, sentence);
      else assert.ok(status === 413 && ["EPIPE", "ECONNRESET"].includes(answer ?? ""), sentence);
    }
    assert.equal((await post(to, { body: good })).status, 200);
  }));

test("bytes that are no TLS, and no HTTP within it, end their connection and nothing else", () =>
  withWebhook({}, async (served) => {
    const to = reached(await configured(served));
    const options = { host: to.url.hostname, port: Number(to.url.port), ca: to.ca };
    const { connect: connectPlain } = await import("node:net");
    for (const socket of [connectPlain(options), connect(options)]) {
      socket.on("error", () => undefined).resume();
      socket.write("POST /validate HTTP/9\r\n\0\r\n\r\n");
      await once(socket, "close");
    }
    assert.equal((await post(to, { body: good })).status, 200);
  }));
