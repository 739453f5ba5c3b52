// Relay with peers that are processes, and die.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { createLog } from "@tsilium/runtime";
import { decodeFlowsResponse, peekResponse } from "../codec/index.ts";
import { GetFlowsRequestSchema } from "../gen/observer/observer_pb.ts";
import { connectTo } from "../grpc/index.ts";
import { startRelay } from "./relay.ts";
import { lineOf, until } from "./testing/cluster.ts";
import type { PeerProcessOptions } from "./testing/peer-process.ts";

class Processes implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "tsilium-relay-"));
  readonly #children = new Map<string, ChildProcess>();
  readonly #names: readonly string[];
  readonly #perSecond: number;

  constructor(count: number, perSecond: number) {
    this.#names = Array.from({ length: count }, (_, index) => `node-${index + 1}`);
    this.#perSecond = perSecond;
  }

  socket(name: string): string {
    return join(this.folder, `${name}.sock`);
  }

  async start(name: string): Promise<void> {
    const options: PeerProcessOptions = {
      name,
      socket: this.socket(name),
      perSecond: this.#perSecond,
      peers: Object.fromEntries(this.#names.map((each) => [each, `unix://${this.socket(each)}`])),
    };
    const file = join(import.meta.dirname, "testing/peer-process.ts");
    const child = spawn(process.execPath, [file, JSON.stringify(options)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#children.set(name, child);
    await once(child.stdout as NodeJS.ReadableStream, "data");
  }

  async startAll(): Promise<void> {
    await Promise.all(this.#names.map((name) => this.start(name)));
  }

  async kill(name: string): Promise<void> {
    const child = this.#children.get(name);
    this.#children.delete(name);
    if (!child) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  signal(name: string, signal: NodeJS.Signals): void {
    this.#children.get(name)?.kill(signal);
  }

  relay() {
    return startRelay({
      peerServices: this.#names.slice(0, 2).map((name) => `unix://${this.socket(name)}`),
      tls: undefined,
      clusterName: "default",
      dialTimeoutMs: 1000,
      retryTimeoutMs: 500,
      probeIntervalMs: 500,
      sockets: [{ unix: join(this.folder, "relay.sock") }],
      nodeName: "relay",
      version: "test",
      sortBufferLenMax: 10_000,
      sortBufferDrainTimeoutMs: 1000,
      log: createLog({ level: "silent" }),
    });
  }

  async *flows(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const client = connectTo(`unix://${join(this.folder, "relay.sock")}`);
    const request = toBinary(
      GetFlowsRequestSchema,
      create(GetFlowsRequestSchema, { follow: true }),
    );
    try {
      yield* client.streamRaw("/observer.Observer/GetFlows", request, signal);
    } finally {
      client.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#names.map((name) => this.kill(name)));
    rmSync(this.folder, { recursive: true });
  }
}

test("nodes that are killed, stopped and started at any time: the stream of the others goes on, in order", async () => {
  await using processes = new Processes(3, 300);
  await processes.startAll();
  await using relay = await processes.relay();
  await until("peers", () => relay.pool.count("ready") === 3);
  const ending = new AbortController();
  const seen = new Map<string, number>();
  const steady: bigint[] = [];
  const events: string[] = [];
  const uuids = new Set<string>();
  let twice = 0;
  let longestGapMs = 0;
  let lastMs = performance.now();
  const reading = (async () => {
    for await (const bytes of processes.flows(ending.signal)) {
      const response = decodeFlowsResponse(bytes);
      if (!response) continue;
      if (!("flow" in response)) {
        events.push(lineOf(response));
        continue;
      }
      const { uuid, nodeName, timeNs } = response.flow;
      if (uuids.has(uuid)) twice++;
      uuids.add(uuid);
      seen.set(nodeName, (seen.get(nodeName) ?? 0) + 1);
      if (nodeName !== "node-1") continue;
      steady.push(timeNs);
      longestGapMs = Math.max(longestGapMs, performance.now() - lastMs);
      lastMs = performance.now();
    }
  })().catch((error: unknown) => {
    if (!ending.signal.aborted) throw error;
  });
  await until("flows of all", () => seen.size === 3);
  for (let round = 0; round < 2; round++) {
    await processes.kill("node-2");
    await sleep(300);
    const before = seen.get("node-2") ?? 0;
    await processes.start("node-2");
    await until("node-2 again", () => (seen.get("node-2") ?? 0) > before + 100);
  }
  // One that hangs is known as such, and is back when it goes on.
  processes.signal("node-3", "SIGSTOP");
  await until("node-3 being away", () =>
    events.some((each) => each.startsWith("NODE_UNAVAILABLE node-3")),
  );
  processes.signal("node-3", "SIGCONT");
  const before = seen.get("node-3") ?? 0;
  await until("node-3 again", () => (seen.get("node-3") ?? 0) > before + 100);
  ending.abort();
  await reading;
  assert.equal(twice, 0);
  assert.ok(steady.length > 500, `${steady.length} flows`);
  assert.ok(steady.every((time, i) => i === 0 || (steady[i - 1] as bigint) <= time));
  assert.ok(longestGapMs < 1500, `a gap of ${longestGapMs} ms`);
  assert.ok(
    events.filter((each) => each === "NODE_CONNECTED node-2").length >= 2,
    events.join(" | "),
  );
});

test("ten nodes with 2,000 flows a second each are merged in order", async () => {
  await using processes = new Processes(10, 2000);
  await processes.startAll();
  await using relay = await processes.relay();
  await until("peers", () => relay.pool.count("ready") === 10);
  const ending = new AbortController();
  const times: bigint[] = [];
  let lost = 0;
  const reading = (async () => {
    for await (const bytes of processes.flows(ending.signal)) {
      const { kind, timeNs } = peekResponse(bytes);
      if (kind === "flow") times.push(timeNs);
      if (kind === "lost") lost++;
    }
  })().catch((error: unknown) => {
    if (!ending.signal.aborted) throw error;
  });
  await until("the first flows", () => times.length > 0);
  // Ten processes that start have no time for anything else.
  await sleep(1000);
  times.length = 0;
  await until("20,000 flows", () => times.length >= 20_000);
  ending.abort();
  await reading;
  assert.equal(lost, 0);
  const inversions = times.filter((time, i) => i > 0 && (times[i - 1] as bigint) > time).length;
  // None, as long as every process gets its turn within a second.
  assert.ok(inversions <= times.length / 1000, `${inversions} of ${times.length} out of order`);
});
