// DaemonSets and StatefulSets: their history, rollouts, and the order in which pods with names come and go.
import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import {
  type ControllerRevision,
  type DaemonSet,
  type KubeClient,
  type Pod,
  resources,
  type StatefulSet,
} from "@tsilium/kube";
import { planFor } from "./stateful-plan.ts";
import { eventually, startCluster, type TestCluster } from "./testing/cluster.ts";

type Row = {
  readonly what: string;
  readonly spec?: Partial<StatefulSet["spec"]>;
  /** Names; "-" ends, "!" is not ready, "x" has failed, "+" is of the newest revision. */
  readonly pods: string;
  readonly create?: string;
  readonly remove?: string;
};

const rows: readonly Row[] = [
  { what: "the first comes alone", pods: "", create: "0" },
  { what: "the second waits for the first", pods: "0+!" },
  { what: "the second follows", pods: "0+", create: "1" },
  { what: "a gap is filled first", pods: "0+ 2+", create: "1" },
  { what: "a pod that ends is waited for", pods: "0+ 1+- 2+" },
  { what: "a failed pod makes room", pods: "0+ 1+x 2+", remove: "1" },
  { what: "all is well", pods: "0+ 1+ 2+" },
  { what: "the last goes first", spec: { replicas: 1 }, pods: "0+ 1+ 2+", remove: "2" },
  { what: "one goes after the other", spec: { replicas: 1 }, pods: "0+ 1+ 2+-" },
  { what: "none goes while one is not well", spec: { replicas: 2 }, pods: "0+! 1+ 2+" },
  { what: "an update begins at the end", pods: "0 1 2", remove: "2" },
  { what: "an update waits for what it has made", pods: "0 1 2+!" },
  { what: "an update goes on", pods: "0 1 2+", remove: "1" },
  {
    what: "an update stops at the partition",
    spec: { updateStrategy: { rollingUpdate: { partition: 2 } } },
    pods: "0 1 2+",
  },
  {
    what: "below the partition the earlier template is used",
    spec: { updateStrategy: { rollingUpdate: { partition: 2 } } },
    pods: "0",
    create: "1 (earlier)",
  },
  { what: "nobody's update", spec: { updateStrategy: { type: "OnDelete" } }, pods: "0 1 2" },
  { what: "all at once", spec: { podManagementPolicy: "Parallel" }, pods: "1+", create: "0 2" },
  {
    what: "all go at once",
    spec: { podManagementPolicy: "Parallel", replicas: 0 },
    pods: "0+ 1+- 2+",
    remove: "2 0",
  },
  { what: "numbers begin elsewhere", spec: { ordinals: { start: 5 } }, pods: "0+ 5+", create: "6" },
];

const labels = { app: "db" };
const template = (image: string) => ({
  metadata: { labels },
  spec: { containers: [{ name: "c", image }] },
});
const statefulSet = (name: string, spec: Partial<StatefulSet["spec"]> = {}): StatefulSet => ({
  metadata: { name, namespace: "default" },
  spec: { replicas: 3, selector: { matchLabels: labels }, template: template("one"), ...spec },
});

function podOf(text: string): Pod {
  const number = /^\d+/.exec(text)?.[0] ?? "";
  const has = (mark: string) => text.includes(mark);
  return {
    metadata: {
      name: `db-${number}`,
      labels: { "controller-revision-hash": has("+") ? "new" : "old" },
      ...(has("-") ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
    spec: { containers: [] },
    status: {
      phase: has("x") ? "Failed" : "Running",
      conditions: [{ type: "Ready", status: has("!") || has("x") ? "False" : "True" }],
    },
  };
}

for (const { what, spec, pods, create = "", remove = "" } of rows)
  test(`a stateful set: ${what}`, () => {
    const there = pods.split(" ").filter(Boolean).map(podOf);
    const plan = planFor(statefulSet("db", spec), there, "new");
    const made = plan.create.map(({ ordinal, isUpdated }) =>
      isUpdated ? `${ordinal}` : `${ordinal} (earlier)`,
    );
    assert.equal(made.join(" "), create);
    assert.equal(plan.remove.map(({ metadata }) => metadata.name?.slice(3)).join(" "), remove);
  });

let cluster: TestCluster;
let client: KubeClient;
let signal: AbortSignal;
const namespace = "default";

before(async () => {
  cluster = await startCluster({ nodes: ["node-1", "node-2"] });
  ({ client, signal } = cluster);
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

const podsOf = async () =>
  (await client.list(resources.pods, { namespace, labelSelector: "app=db", signal })).items;

async function revisions(): Promise<ControllerRevision[]> {
  const query = { namespace, labelSelector: "app=db", signal };
  const { items } = await client.list(resources.controllerRevisions, query);
  return items.toSorted((a, b) => a.revision - b.revision);
}

const imageOf = ({ data }: ControllerRevision) => data?.spec?.template?.spec.containers[0]?.image;

const settled = (image: string, count: number) =>
  eventually(async () => {
    const pods = await podsOf();
    const isThere =
      pods.length === count &&
      pods.every(
        ({ spec, metadata, status }) =>
          spec.containers[0]?.image === image && !metadata.deletionTimestamp && status?.podIP,
      );
    return isThere ? pods : undefined;
  });

/** As `kubectl rollout undo` does it: the revision's data is a strategic merge patch of the set. */
async function undo(
  resource: typeof resources.daemonSets | typeof resources.statefulSets,
  image: string,
) {
  const old = (await revisions()).find((each) => imageOf(each) === image);
  const patch = { type: "strategic", patch: old?.data as object, namespace, signal } as const;
  await client.patch<DaemonSet | StatefulSet>(resource, "db", patch);
}

test("a daemon set keeps its templates, and going back to one makes it the newest", async () => {
  const set: DaemonSet = {
    metadata: { name: "db", namespace },
    spec: { selector: { matchLabels: labels }, template: template("one"), revisionHistoryLimit: 1 },
  };
  await client.create(resources.daemonSets, set, { signal });
  await settled("one", 2);
  const change = (image: string) =>
    client.patch(resources.daemonSets, "db", {
      namespace,
      type: "merge",
      patch: { spec: { template: template(image) } },
      signal,
    });
  await change("two");
  const pods = await settled("two", 2);
  const two = (await revisions()).at(-1);
  assert.equal(imageOf(two as ControllerRevision), "two");
  for (const { metadata } of pods)
    assert.equal(
      metadata.labels?.["controller-revision-hash"],
      two?.metadata.labels?.["controller-revision-hash"],
    );
  await undo(resources.daemonSets, "one");
  await settled("one", 2);
  assert.deepEqual(
    (await revisions()).map((each) => [each.revision, imageOf(each)]),
    [
      [2, "two"],
      [3, "one"],
    ],
  );
  await change("three");
  await settled("three", 2);
  const kept = await eventually(async () => {
    const now = await revisions();
    return now.length === 2 ? now : undefined;
  });
  assert.deepEqual(kept.map(imageOf), ["one", "three"], "the limit, and what is used");
  const status = await eventually(async () => {
    const { status: now } = await client.get(resources.daemonSets, "db", { namespace, signal });
    return now?.updatedNumberScheduled === 2 && now.numberAvailable === 2 ? now : undefined;
  });
  assert.equal(status.numberUnavailable, 0);
  await client.delete(resources.daemonSets, "db", { namespace, signal });
  await eventually(async () =>
    (await podsOf()).length + (await revisions()).length === 0 ? true : undefined,
  );
});

test("a stateful set's pods have names that stay, an update goes through them, and undo goes back", async () => {
  const set = statefulSet("db", { replicas: 2, serviceName: "db" });
  await client.create(resources.statefulSets, set, { signal });
  const pods = await settled("one", 2);
  assert.deepEqual(
    pods
      .map(({ metadata, spec }) => [metadata.name, spec.hostname, spec.subdomain])
      .toSorted((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1)),
    [
      ["db-0", "db-0", "db"],
      ["db-1", "db-1", "db"],
    ],
  );
  await client.patch(resources.statefulSets, "db", {
    namespace,
    type: "merge",
    patch: { spec: { template: template("two") } },
    signal,
  });
  await settled("two", 2);
  const done = await eventually(async () => {
    const { status } = await client.get(resources.statefulSets, "db", { namespace, signal });
    return status?.currentRevision === status?.updateRevision && status?.readyReplicas === 2
      ? status
      : undefined;
  });
  assert.equal(done?.updatedReplicas, 2);
  await undo(resources.statefulSets, "one");
  await settled("one", 2);
  assert.deepEqual((await revisions()).map(imageOf), ["two", "one"]);
  await client.patch(resources.statefulSets, "db", {
    namespace,
    type: "merge",
    patch: { spec: { replicas: 1 } },
    signal,
  });
  const [left] = await settled("one", 1);
  assert.equal(left?.metadata.name, "db-0");
  await client.delete(resources.statefulSets, "db", { namespace, signal });
  await eventually(async () =>
    (await podsOf()).length + (await revisions()).length === 0 ? true : undefined,
  );
});
