import assert from "node:assert/strict";
import { test } from "node:test";
import type { MapNode } from "../../src/shared/map-model.ts";
import type { MapLine } from "../../src/shared/stream.ts";
import { mapCounts, mapGraph, namespaceKey, total } from "./graph.ts";
import { MapModel, newNumbering } from "./model.ts";

const node = (name: string, namespace = "shop"): MapNode => ({
  key: `workload/${namespace}/Deployment/${name}`,
  kind: "workload",
  namespace,
  name,
  workloadKind: "Deployment",
});
const key = (name: string, namespace = "shop") => node(name, namespace).key;
const line = (more: Partial<MapLine>): MapLine => ({ kind: "map", bucketMs: 1_000, ...more });
const first = line({
  nodes: [node("web"), node("db", "data"), node("cart")],
  edges: [
    { source: 0, destination: 1, protocol: "TCP", port: 5432 },
    { source: 0, destination: 2, protocol: "TCP", port: 7070 },
    { source: 0, destination: 1, protocol: "TCP", port: 80 },
  ],
  services: [[1, "data/postgres"]],
  buckets: [
    { startMs: 10_000, edges: [0, 5, 1, 0, 0, 1, 2, 0, 0, 0] },
    { startMs: 11_000, edges: [0, 1, 0, 0, 0, 2, 1, 0, 0, 0] },
  ],
});

function filled(): MapModel {
  const model = new MapModel(1_000);
  model.take(first, newNumbering());
  return model;
}

test("connections are told apart by who, protocol and port, and drawn as one line for each pair", () => {
  const graph = mapGraph(filled(), new Set());
  assert.deepEqual(
    graph.pairs.map(({ id, label }) => [id, label]),
    [
      [`${key("web")} ${key("db", "data")}`, "TCP 80, 5432"],
      [`${key("web")} ${key("cart")}`, "TCP 7070"],
    ],
  );
  assert.equal(
    graph.cards.find(({ title }) => title === "db")?.subtitle,
    "Deployment · service postgres",
  );
});

test("another connection numbers otherwise, and its counts come to the same", () => {
  const model = filled();
  model.take(
    line({
      nodes: [node("db", "data"), node("web")],
      edges: [{ source: 1, destination: 0, protocol: "TCP", port: 5432 }],
      buckets: [{ startMs: 12_000, edges: [0, 7, 0, 0, 0] }],
    }),
    newNumbering(),
  );
  assert.equal(model.edges.length, 3);
  assert.deepEqual([...model.sum(12_000, 13_000)].slice(0, 4), [7, 0, 0, 0]);
  assert.deepEqual([...model.sum(10_000, 13_000)].slice(0, 4), [13, 1, 0, 0]);
});

test("spans that are over are forgotten with their counts, and who was only in them", () => {
  const model = filled();
  model.forgetBefore(11_000);
  assert.deepEqual(
    model.buckets().map(({ startMs }) => startMs),
    [11_000],
  );
  assert.deepEqual(
    mapGraph(model, new Set()).pairs.map(({ destination }) => destination),
    [key("db", "data")],
  );
  model.forgetFrom(0);
  assert.deepEqual(mapGraph(model, new Set()).cards, []);
});

test("a folded namespace is one card with all that its workloads do, also among themselves", () => {
  const model = filled();
  const graph = mapGraph(model, new Set(["shop"]));
  assert.deepEqual(
    graph.cards.map(({ id, subtitle }) => [id, subtitle]),
    [
      [namespaceKey("shop"), "2 workloads"],
      [key("db", "data"), "Deployment · service postgres"],
    ],
  );
  const counts = mapCounts(graph, model.sum(10_000, 12_000), 2_000);
  const shop = counts.cards.get(namespaceKey("shop"));
  assert.deepEqual(shop, { forwarded: 9, dropped: 1, audit: 0, error: 0 });
  assert.equal(shop && total(shop), 10);
  assert.deepEqual(counts.groups.get("data"), { forwarded: 7, dropped: 1, audit: 0, error: 0 });
});

test("a pod that turned out to be of a workload is drawn in it, with what was counted for it", () => {
  const model = filled();
  const numbering = newNumbering();
  const lonely: MapNode = {
    key: "pod/shop//web-1",
    kind: "pod",
    namespace: "shop",
    name: "web-1",
    workloadKind: "",
  };
  model.take(
    line({
      nodes: [lonely, node("db", "data")],
      edges: [{ source: 0, destination: 1, protocol: "TCP", port: 5432 }],
      buckets: [{ startMs: 12_000, edges: [0, 7, 0, 0, 0] }],
    }),
    numbering,
  );
  assert.ok(mapGraph(model, new Set()).cards.some(({ id }) => id === lonely.key));
  model.take(line({ nodes: [node("web")], same: [[0, 2]] }), numbering);
  const graph = mapGraph(model, new Set());
  assert.ok(!graph.cards.some(({ id }) => id === lonely.key));
  const counts = mapCounts(graph, model.sum(12_000, 13_000), 1_000);
  assert.equal(counts.pairs.get(`${key("web")} ${key("db", "data")}`)?.forwarded, 7);
});
