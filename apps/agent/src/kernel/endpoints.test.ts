import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { EndpointEntry } from "@tsilium/datapath/model.ts";
import { Endpoints, StateFiles } from "@tsilium/endpoint";
import type { EndpointPolicy } from "@tsilium/endpoint/model.ts";
import { Address, Labels } from "@tsilium/net";
import { Reconciler } from "@tsilium/tables";
import { endpointOperations, type EndpointMap } from "./endpoints.ts";

const root = mkdtempSync(join(tmpdir(), "tsilium-kernel-"));
after(() => rmSync(root, { recursive: true }));

/** The kernel, as a map that can be told to refuse. */
class Kernel implements EndpointMap {
  readonly entries = new Map<number, EndpointEntry>();
  writes = 0;
  refuses = false;

  upsert(entry: EndpointEntry): void {
    if (this.refuses) throw new Error("ENOSPC");
    this.writes++;
    this.entries.set(entry.id, entry);
  }
  delete(id: number): void {
    this.entries.delete(id);
  }
  list(): EndpointEntry[] {
    return [...this.entries.values()];
  }
}

/** A policy that the kernel holds for an identity. */
const policyOf = (identity: number, subject = 1): EndpointPolicy => ({
  subject,
  identity,
  ingress: "enforcing",
  egress: "disabled",
});

function setUp() {
  const kernel = new Kernel();
  /** Subjects of the rows that the kernel was said to hold. */
  const written: number[] = [];
  const endpoints = new Endpoints(new StateFiles(mkdtempSync(join(root, "state-"))));
  const reconciler = new Reconciler({
    name: "endpoints",
    table: endpoints.table,
    operations: endpointOperations({
      map: kernel,
      endpoints,
      onWritten: ({ policy }) => written.push(policy?.subject ?? 0),
    }),
    retry: { minMs: 1, maxMs: 1 },
  });
  reconciler.start();
  const { id } = endpoints.create({
    attachment: { containerId: "c", ifName: "eth0" },
    netns: "/n",
    network: "tsilium",
    ipv4: Address.parse("10.244.0.7"),
    ipv6: undefined,
    namespace: "shop",
    podName: "cart",
    podUid: "u",
    identity: 0,
    labels: Labels.empty,
  });
  const settled = () => reconciler.settled(AbortSignal.timeout(1000));
  return { kernel, endpoints, reconciler, id, settled, written };
}

test("an endpoint is ready when its rows are in the kernel, which takes one write", async () => {
  const { kernel, endpoints, reconciler, id, settled } = setUp();
  using _ = reconciler;
  endpoints.change(id, { state: "waiting-for-identity" });
  await settled();
  assert.equal(kernel.writes, 0);
  const policy = policyOf(300);
  endpoints.change(id, { state: "waiting-to-regenerate", identity: 300, ifindex: 4, policy });
  await settled();
  assert.equal(endpoints.get(id)?.state, "ready");
  assert.equal(kernel.entries.get(id)?.identity, 300);
  assert.equal(kernel.writes, 1);
  reconciler.fullSync();
  await settled();
  assert.equal(kernel.writes, 2);
});

test("without the policy of its identity an endpoint is not written, and what was written stays", async () => {
  const { kernel, endpoints, reconciler, id, settled, written } = setUp();
  using _ = reconciler;
  endpoints.change(id, { state: "waiting-for-identity" });
  endpoints.change(id, { state: "waiting-to-regenerate", identity: 300 });
  await settled();
  assert.deepEqual([kernel.entries.size, endpoints.get(id)?.state], [0, "waiting-to-regenerate"]);
  endpoints.change(id, { policy: policyOf(300, 7) });
  await settled();
  assert.deepEqual([kernel.entries.get(id)?.subject, endpoints.get(id)?.state], [7, "ready"]);
  endpoints.change(id, { state: "waiting-for-identity" });
  endpoints.change(id, { state: "waiting-to-regenerate", identity: 301 });
  await settled();
  assert.deepEqual(
    [kernel.entries.get(id)?.identity, endpoints.get(id)?.state],
    [300, "waiting-to-regenerate"],
  );
  endpoints.change(id, { policy: policyOf(301, 8) });
  await settled();
  const entry = kernel.entries.get(id);
  assert.deepEqual([entry?.identity, entry?.subject, written], [301, 8, [7, 8]]);
});

test("an endpoint that the kernel refuses is not ready until a retry succeeds", async () => {
  const { kernel, endpoints, reconciler, id } = setUp();
  using _ = reconciler;
  kernel.refuses = true;
  endpoints.change(id, { state: "waiting-for-identity" });
  endpoints.change(id, {
    state: "waiting-to-regenerate",
    identity: 300,
    policy: policyOf(300),
  });
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(endpoints.get(id)?.state, "not-ready");
  kernel.refuses = false;
  await reconciler.wait(String(id), AbortSignal.timeout(1000));
  assert.equal(endpoints.get(id)?.state, "ready");
});

test("an endpoint that waits for a new identity keeps its rows, one that disconnects loses them", async () => {
  const { kernel, endpoints, reconciler, id, settled } = setUp();
  using _ = reconciler;
  endpoints.change(id, { state: "waiting-for-identity" });
  endpoints.change(id, {
    state: "waiting-to-regenerate",
    identity: 300,
    policy: policyOf(300),
  });
  await settled();
  endpoints.change(id, { state: "waiting-for-identity" });
  await settled();
  assert.equal(kernel.entries.size, 1);
  endpoints.disconnect(id);
  await settled();
  assert.equal(kernel.entries.size, 0);
});

test("rows of endpoints that nobody knows any more are pruned", async () => {
  const { kernel, endpoints, reconciler, id, settled } = setUp();
  using _ = reconciler;
  endpoints.change(id, { state: "waiting-for-identity" });
  endpoints.change(id, {
    state: "waiting-to-regenerate",
    identity: 300,
    policy: policyOf(300),
  });
  await settled();
  const [entry] = kernel.list();
  assert.ok(entry);
  kernel.upsert({ ...entry, id: 9 });
  reconciler.fullSync();
  await settled();
  assert.deepEqual([...kernel.entries.keys()], [id]);
});
