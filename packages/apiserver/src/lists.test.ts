// Collections: selectors, pages that show one moment, and watches.
import { strict as assert } from "node:assert";
import { connect } from "node:tls";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  KubeClient,
  KubeError,
  resources,
  type ConfigMap,
  type Pod,
  type WatchEvent,
} from "@tsilium/kube";
import { type Body, configMap, configMaps, pod, pods, TestServer } from "./testing/server.ts";

let api: TestServer;
let client: KubeClient;
before(async () => {
  api = await TestServer.start();
  client = new KubeClient({ server: api.server.origin, ca: api.pki.ca, token: "admin-token" });
});
after(async () => {
  client[Symbol.dispose]();
  await api[Symbol.asyncDispose]();
  assert.deepEqual(api.faults, []);
});

const names = ({ items }: Body) =>
  (items as { metadata: { name: string } }[]).map(({ metadata }) => metadata.name).join();

test("label selectors choose as Kubernetes' do", async () => {
  const collection = "/api/v1/namespaces/kube-public/configmaps";
  const rows: readonly [string, Record<string, string>][] = [
    ["none", {}],
    ["web1", { app: "web", tier: "front", rank: "1" }],
    ["web2", { app: "web", tier: "back", rank: "2" }],
    ["db", { app: "db" }],
  ];
  for (const [name, labels] of rows) await api.create(collection, configMap(name, { labels }));
  const cases: readonly [string, string][] = [
    ["", "db,none,web1,web2"],
    ["app=web", "web1,web2"],
    ["app==web,tier=back", "web2"],
    ["app!=web", "db,none"],
    ["app in (web, db)", "db,web1,web2"],
    ["app notin (web)", "db,none"],
    ["tier", "web1,web2"],
    ["!tier", "db,none"],
    ["rank>1", "web2"],
    ["rank<2,app", "web1"],
    ["app,tier notin (front),app in (web,db)", "db,web2"],
  ];
  for (const [selector, expected] of cases) {
    const { body } = await api.send(
      "GET",
      `${collection}?labelSelector=${encodeURIComponent(selector)}`,
    );
    assert.equal(names(body), expected, selector);
  }
  for (const bad of ["a in b", "a>b", "=x", "a=b c", "a in (b", "-a=b"]) {
    const { status } = await api.send(
      "GET",
      `${collection}?labelSelector=${encodeURIComponent(bad)}`,
    );
    assert.equal(status, 400, bad);
  }
});

test("field selectors choose by the fields a kind offers, and refuse others", async () => {
  await api.create(pods, pod("f1", { spec: { nodeName: "node-1" } }));
  await api.create(pods, pod("f2", { spec: { nodeName: "node-2" } }));
  await api.create(pods, pod("f3"));
  const cases: readonly [string, string][] = [
    ["spec.nodeName=node-1", "f1"],
    ["spec.nodeName!=node-1", "f2,f3"],
    ["spec.nodeName=", "f3"],
    ["metadata.name=f2,status.phase=Pending", "f2"],
    ["metadata.name=f2\\,f3", ""],
  ];
  for (const [selector, expected] of cases) {
    const { body } = await api.send("GET", `${pods}?fieldSelector=${encodeURIComponent(selector)}`);
    assert.equal(names(body), expected, selector);
  }
  const { status, body } = await api.send("GET", `${pods}?fieldSelector=spec.color%3Dred`);
  assert.equal(status, 400);
  assert.equal(body["message"], "field label not supported: spec.color");
});

test("pages show the moment of the first, whatever happens in between", async () => {
  const collection = "/api/v1/namespaces/kube-system/configmaps";
  for (let index = 0; index < 7; index++) await api.create(collection, configMap(`p${index}`));
  const first = await api.send("GET", `${collection}?limit=3`);
  assert.equal(names(first.body), "p0,p1,p2");
  assert.equal(first.body["metadata"].remainingItemCount, 4);
  await api.send("DELETE", `${collection}/p4`);
  await api.create(collection, configMap("p35"));
  const second = await api.send(
    "GET",
    `${collection}?limit=3&continue=${first.body["metadata"].continue}`,
  );
  assert.equal(names(second.body), "p3,p4,p5");
  assert.equal(second.body["metadata"].resourceVersion, first.body["metadata"].resourceVersion);
  const third = await api.send(
    "GET",
    `${collection}?limit=3&continue=${second.body["metadata"].continue}`,
  );
  assert.equal(names(third.body), "p6");
  assert.equal(third.body["metadata"].continue, undefined);
});

test("a continue token of another time is expired, one that is none is refused", async () => {
  const text = "00000000-0000-0000-0000-000000000000:default/f1";
  const stale = Buffer.from(text).toString("base64url");
  const { status, body } = await api.send("GET", `${pods}?limit=1&continue=${stale}`);
  assert.equal(status, 410);
  assert.equal(body["reason"], "Expired");
  const more = `${pods}?limit=1&continue=${body["metadata"].continue}`;
  const rest = await api.send("GET", more);
  assert.equal(names(rest.body), "f2", "its token goes on with what is there now");
  const end = await api.send("GET", `${pods}?continue=${rest.body["metadata"].continue}`);
  assert.equal(names(end.body), "f3");
  assert.equal((await api.send("GET", `${pods}?limit=1&continue=nonsense`)).status, 400);
});

test("a list is of the very version that it names, as long as that is remembered", async () => {
  const collection = "/api/v1/namespaces/kube-node-lease/configmaps";
  const made = await api.create(collection, configMap("e1"));
  await api.create(collection, configMap("e2"));
  await api.send("DELETE", `${collection}/e1`);
  const version = made["metadata"].resourceVersion;
  const exact = `${collection}?resourceVersion=${version}`;
  const { body } = await api.send("GET", `${exact}&resourceVersionMatch=Exact`);
  assert.equal(names(body), "e1");
  assert.equal(body["metadata"].resourceVersion, version);
  assert.equal(names((await api.send("GET", `${exact}&limit=1`)).body), "e1");
  for (const later of [exact, `${exact}&resourceVersionMatch=NotOlderThan`])
    assert.equal(names((await api.send("GET", later)).body), "e2", later);
});

test("a selector's list does not tell how many remain", async () => {
  const query = "?limit=1&labelSelector=!nothing";
  const { metadata } = (await api.send("GET", `${pods}${query}`)).body as { metadata: object };
  assert.deepEqual(Object.keys(metadata).sort(), ["continue", "resourceVersion"]);
});

/** query, status, what the message has */
const badOptions: readonly (readonly [string, number, RegExp])[] = [
  ["resourceVersionMatch=Exact", 422, /forbidden unless resourceVersion is provided/],
  ["resourceVersion=0&resourceVersionMatch=Exact", 422, /forbidden for resourceVersion "0"/],
  ["resourceVersion=5&resourceVersionMatch=Near", 422, /Unsupported value: "Near"/],
  ["resourceVersion=5&continue=OmEvYg", 400, /not allowed when using continue/],
  ["resourceVersion=x", 400, /must be a whole number/],
  ["sendInitialEvents=true", 422, /sendInitialEvents is forbidden for list/],
  ["watch=1&sendInitialEvents=true", 422, /requires setting resourceVersionMatch to NotOlderThan/],
  ["watch=1&resourceVersionMatch=Exact&resourceVersion=1", 422, /forbidden for watch unless/],
];
for (const [query, expected, message] of badOptions) {
  test(`a list is refused for ${query}`, async () => {
    const { status, body } = await api.send("GET", `${pods}?${query}`);
    assert.equal(status, expected);
    assert.match(body["message"], message);
  });
}

test("a version that is yet to come is not waited for", async () => {
  const { status, body } = await api.send("GET", `${pods}?resourceVersion=999999999`);
  assert.equal(status, 504);
  assert.equal(body["details"].causes[0].reason, "ResourceVersionTooLarge");
});

/** Collects a watch's events as "TYPE name"; bookmarks as "BOOKMARK". */
function follow(options: {
  readonly resourceVersion?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly namespace?: string;
}) {
  const stopper = new AbortController();
  const seen: string[] = [];
  const events: WatchEvent<ConfigMap>[] = [];
  const done = (async () => {
    const watch = client.watch(resources.configMaps, {
      namespace: "default",
      ...options,
      resourceVersion: options.resourceVersion ?? "",
      signal: stopper.signal,
    });
    for await (const event of watch) {
      events.push(event);
      if (event.type !== "BOOKMARK") seen.push(`${event.type} ${event.object.metadata.name}`);
    }
  })().catch(() => undefined);
  const expect = async (...expected: string[]) => {
    for (let tries = 0; tries < 200 && seen.length < expected.length; tries++) await sleep(10);
    assert.deepEqual(seen.splice(0), expected);
  };
  return {
    events,
    expect,
    async [Symbol.asyncDispose]() {
      stopper.abort();
      await done;
    },
  };
}

const patchLabels = (name: string, labels: object) =>
  api.send("PATCH", `${configMaps}/${name}`, {
    contentType: "application/merge-patch+json",
    body: { metadata: { labels } },
  });

test("a watch from a version tells every later change once, in order", async () => {
  const made = await api.create(configMaps, configMap("w0"));
  await using watch = follow({ resourceVersion: made["metadata"].resourceVersion });
  await api.create(configMaps, configMap("w1"));
  await patchLabels("w0", { a: "b" });
  await api.send("DELETE", `${configMaps}/w1`);
  await watch.expect("ADDED w1", "MODIFIED w0", "DELETED w1");
  const versions = watch.events.map((event) => Number(event.object.metadata.resourceVersion));
  assert.deepEqual(
    versions,
    versions.toSorted((a, b) => a - b),
  );
});

test("a watch without a version starts with what is there", async () => {
  await using watch = follow({ namespace: "kube-public" });
  await watch.expect("ADDED db", "ADDED none", "ADDED web1", "ADDED web2");
});

test("what enters a selection is added, what leaves it is deleted", async () => {
  const { revision } = api.server;
  await using watch = follow({ resourceVersion: String(revision), labelSelector: "team=red" });
  await api.create(configMaps, configMap("s1", { labels: { team: "blue" } }));
  await patchLabels("s1", { team: "red" });
  await patchLabels("s1", { other: "x" });
  await patchLabels("s1", { team: "blue" });
  await api.send("DELETE", `${configMaps}/s1`);
  await watch.expect("ADDED s1", "MODIFIED s1", "DELETED s1");
});

test("bookmarks tell of changes elsewhere within half a second", async () => {
  await using watch = follow({ resourceVersion: String(api.server.revision) });
  const made = await api.create(pods, pod("elsewhere"));
  for (let tries = 0; tries < 50 && watch.events.length === 0; tries++) await sleep(10);
  assert.equal(watch.events[0]?.type, "BOOKMARK");
  assert.equal(watch.events[0]?.object.metadata.resourceVersion, made["metadata"].resourceVersion);
});

test("initial events end with a bookmark that says so", async () => {
  const answer = api.send(
    "GET",
    `/api/v1/namespaces/kube-public/configmaps?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1`,
  );
  const lines = (await answer).text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map((line) => line.type),
    ["ADDED", "ADDED", "ADDED", "ADDED", "BOOKMARK"],
  );
  assert.deepEqual(lines[4].object.metadata.annotations, { "k8s.io/initial-events-end": "true" });
});

test("a watch from before the server's memory is expired", async () => {
  const old = api.server.revision;
  await api.create(configMaps, configMap("forgotten"));
  await api.restart();
  const moved = new KubeClient({ server: api.server.origin, ca: api.pki.ca, token: "admin-token" });
  client[Symbol.dispose]();
  client = moved;
  const first = client
    .watch(resources.configMaps, {
      resourceVersion: String(old),
      signal: AbortSignal.timeout(5000),
    })
    .next();
  await assert.rejects(first, (error) => KubeError.isExpired(error));
});

test("after a restart a watch goes on from the version it had reached", async () => {
  const { revision } = api.server;
  await using watch = follow({ resourceVersion: String(revision) });
  await api.create(configMaps, configMap("after"));
  await watch.expect("ADDED after");
});

test("a watch ends when its time is over", async () => {
  const startedAt = performance.now();
  const { status } = await api.send(
    "GET",
    `${configMaps}?watch=true&timeoutSeconds=1&resourceVersion=${api.server.revision}`,
  );
  assert.equal(status, 200);
  assert.ok(performance.now() - startedAt > 900);
});

test("a watcher that does not read costs no memory and is sent away when it is too far behind", async () => {
  const socket = connect({ host: "127.0.0.1", port: api.server.port, ca: api.pki.ca });
  socket.write(
    `GET /api/v1/namespaces/default/configmaps?watch=1&resourceVersion=${api.server.revision} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin-token\r\n\r\n`,
  );
  await new Promise((resolve) => socket.once("secureConnect", resolve));
  await sleep(100);
  socket.pause();
  const filler = "x".repeat(50_000);
  const name = "big";
  await api.create(configMaps, configMap(name));
  for (let round = 0; round < 8; round++) {
    const writes = Array.from({ length: 100 }, (_, index) =>
      client.patch(resources.configMaps, name, {
        namespace: "default",
        type: "merge",
        patch: { data: { filler, round: `${round}.${index}` } },
        signal: AbortSignal.timeout(20_000),
      }),
    );
    await Promise.all(writes);
  }
  let text = "";
  socket.on("data", (chunk) => (text += chunk.toString().slice(-2000)));
  socket.resume();
  for (let tries = 0; tries < 300 && !text.includes('"ERROR"'); tries++) await sleep(10);
  socket.destroy();
  assert.match(text, /"type":"ERROR".*"code":410/);
});

test("kubectl's tables come with columns and cells", async () => {
  const headers = { Accept: "application/json;as=Table;v=v1;g=meta.k8s.io,application/json" };
  const { body } = await api.send("GET", `${pods}?fieldSelector=metadata.name%3Df1`, { headers });
  assert.equal(body["kind"], "Table");
  assert.deepEqual(
    body["columnDefinitions"].map((column: { name: string }) => column.name),
    [
      "Name",
      "Ready",
      "Status",
      "Restarts",
      "Age",
      "IP",
      "Node",
      "Nominated Node",
      "Readiness Gates",
    ],
  );
  const cells = body["rows"][0].cells;
  assert.deepEqual(
    [...cells.slice(0, 4), ...cells.slice(5)],
    ["f1", "0/1", "Pending", "0", "<none>", "node-1", "<none>", "<none>"],
  );
  assert.equal(body["rows"][0].object.kind, "PartialObjectMetadata");
});

test("a list of many pages through the client is whole", async () => {
  const before = await client.list(resources.pods, { signal: AbortSignal.timeout(5000) });
  const pages: Pod[] = [];
  for await (const page of client.pages(resources.pods, {
    pageSize: 2,
    signal: AbortSignal.timeout(5000),
  })) {
    pages.push(...page.items);
  }
  assert.deepEqual(pages, before.items);
});

test("history does not survive a restart", async () => {
  const { metadata } = await api.create(configMaps, configMap("remembered"));
  await api.create(configMaps, configMap("newer"));
  await api.restart();
  const exact = `${configMaps}?resourceVersion=${metadata.resourceVersion}`;
  const { status } = await api.send("GET", `${exact}&resourceVersionMatch=Exact`);
  assert.equal(status, 410);
});
