import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Address, Labels } from "@tsilium/net";
import { Endpoints, type EndpointDraft } from "./endpoints.ts";
import { decodeEndpoint, encodeEndpoint, StateFiles } from "./state-files.ts";

const root = mkdtempSync(join(tmpdir(), "tsilium-endpoints-"));
after(() => rmSync(root, { recursive: true }));
const freshFolder = () => mkdtempSync(join(root, "state-"));

const draft = (containerId = "c1"): EndpointDraft => ({
  attachment: { containerId, ifName: "eth0" },
  netns: "/var/run/netns/x",
  network: "tsilium",
  ipv4: Address.parse("10.244.0.7"),
  ipv6: undefined,
  namespace: "shop",
  podName: "cart-0",
  podUid: "u-1",
  identity: 0,
  labels: Labels.parse(["k8s:app=cart"]),
});

test("an endpoint is on disk before anything is made for it, and gone from disk at its end", () => {
  const folder = freshFolder();
  const endpoints = new Endpoints(new StateFiles(folder));
  const { id } = endpoints.create(draft());
  assert.deepEqual(readdirSync(folder), [`${id}.json`]);
  endpoints.remove(id);
  assert.deepEqual(readdirSync(folder), []);
  assert.equal(endpoints.table.size, 0);
});

test("an attachment is one endpoint", () => {
  const endpoints = new Endpoints(new StateFiles(freshFolder()));
  endpoints.create(draft());
  assert.throws(() => endpoints.create(draft()), { code: "attachment_exists" });
  assert.equal(endpoints.table.size, 1);
});

test("an endpoint is found by its attachment and by its pod", () => {
  const endpoints = new Endpoints(new StateFiles(freshFolder()));
  const { id } = endpoints.create(draft());
  assert.equal(endpoints.find({ containerId: "c1", ifName: "eth0" })?.id, id);
  assert.equal(endpoints.find({ containerId: "c1", ifName: "eth1" }), undefined);
  assert.deepEqual(
    endpoints.table.by("pod", "shop/cart-0").map((row) => row.id),
    [id],
  );
});

test("a later agent finds every endpoint as it was, with its ID and addresses", () => {
  const folder = freshFolder();
  const first = new Endpoints(new StateFiles(folder));
  const { id } = first.create(draft());
  first.change(id, { state: "waiting-for-identity", ifindex: 12 });
  first.change(id, {
    state: "waiting-to-regenerate",
    identity: 4711,
    attachedAt: "2026-01-01T00:00:00Z",
  });

  const files = new StateFiles(folder);
  const second = new Endpoints(files);
  const [found] = files.readAll().endpoints;
  assert.ok(found);
  assert.deepEqual(JSON.parse(encodeEndpoint(second.restore(found))), {
    ...JSON.parse(encodeEndpoint(found)),
    state: "restoring",
  });
  assert.deepEqual(
    [found.id, found.identity, found.ifindex, String(found.ipv4)],
    [id, 4711, 12, "10.244.0.7"],
  );
  assert.notEqual(second.create(draft("c2")).id, id);
});

test("a leap in the life cycle is refused and changes nothing", () => {
  const endpoints = new Endpoints(new StateFiles(freshFolder()));
  const { id } = endpoints.create(draft());
  assert.throws(() => endpoints.change(id, { state: "ready" }), { code: "illegal_transition" });
  assert.equal(endpoints.get(id)?.state, "creating");
});

test("a change of state alone does not touch the disk", () => {
  const folder = freshFolder();
  const endpoints = new Endpoints(new StateFiles(folder));
  const { id } = endpoints.create(draft());
  const before = readFileSync(join(folder, `${id}.json`), "utf8");
  endpoints.change(id, { state: "waiting-for-identity" });
  assert.equal(readFileSync(join(folder, `${id}.json`), "utf8"), before);
});

test("files that are no endpoints are named and do not hide the others", () => {
  const folder = freshFolder();
  const { id } = new Endpoints(new StateFiles(folder)).create(draft());
  const text = readFileSync(join(folder, `${id}.json`), "utf8");
  const broken: Record<string, string> = {
    "1.json": "{",
    "2.json": "[]",
    "3.json": text.replace('"format":1', '"format":2'),
    "4.json": text,
    "5.json": text.replace("10.244.0.7", "10.244.0.777"),
    "6.json": text.replace("creating", "dreaming"),
  };
  for (const [name, content] of Object.entries(broken)) writeFileSync(join(folder, name), content);
  writeFileSync(join(folder, "notes.txt"), "not ours");
  const { endpoints, invalid } = new StateFiles(folder).readAll();
  assert.deepEqual(
    endpoints.map((endpoint) => endpoint.id),
    [id],
  );
  assert.equal(invalid.length, Object.keys(broken).length);
  assert.ok(invalid.every(({ error }) => error.code === "state_file_invalid"));
});

test("a file of before endpoints had cookies is read; one whose cookie is no number is not", () => {
  const { netnsCookie: _, ...created } = new Endpoints(new StateFiles(freshFolder())).create(
    draft(),
  );
  const endpoint = { ...created, netnsCookie: 2n ** 64n - 1n };
  const text = encodeEndpoint(endpoint);
  assert.equal(decodeEndpoint(text).netnsCookie, endpoint.netnsCookie);
  const written = `,"netnsCookie":"${endpoint.netnsCookie}"`;
  assert.equal(decodeEndpoint(text.replace(written, "")).netnsCookie, 0n);
  const broken = text.replace(written, ',"netnsCookie":"-1"');
  assert.throws(() => decodeEndpoint(broken), { code: "state_file_invalid" });
});

test("every cut of a state file is refused", () => {
  const folder = freshFolder();
  const text = encodeEndpoint(new Endpoints(new StateFiles(folder)).create(draft()));
  for (let length = 0; length < text.length; length++) {
    assert.throws(() => decodeEndpoint(text.slice(0, length)), { code: "state_file_invalid" });
  }
});
