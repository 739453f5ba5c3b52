// Relay between nodes and a client that follows all of them: every part a process of its own, over unix sockets.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { peekResponse } from "@tsilium/hubble/codec/index.ts";
import { GetFlowsRequestSchema } from "@tsilium/hubble/gen/observer/observer_pb.ts";
import { connectTo } from "@tsilium/hubble/grpc/index.ts";
import { projectRoot } from "@tsilium/syscall";
import { processCpuMs } from "../lab/cpu.ts";
import { residentBytes } from "../pods/memory.ts";
import type { Section } from "../report.ts";
import { median } from "../statistics.ts";

const warmUpMs = 3000;
const durationMs = 10_000;
/** Nodes, and flows a second of each. */
const offers = [
  [10, 2000],
  [4, 10_000],
] as const;

export async function benchRelay(): Promise<Section[]> {
  const rows = [];
  for (const [nodes, perSecond] of offers) rows.push(await merge(nodes, perSecond));
  return [
    {
      title: "Relay (aim: 10 nodes at 20,000 flows a second in order)",
      note: `A client follows all nodes for ${durationMs / 1000} s; delay: from a flow's time to the client, through each node's 20 ms batches.`,
      columns: [
        "",
        "flows/s",
        "relay CPU us/flow",
        "% of a core",
        "out of order",
        "delay p50 ms",
        "MiB",
      ],
      rows,
    },
  ];
}

async function merge(nodes: number, perSecond: number) {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-bench-relay-"));
  const processes: ChildProcess[] = [];
  try {
    const names = Array.from({ length: nodes }, (_, index) => `node-${index + 1}`);
    const socket = (name: string) => join(folder, `${name}.sock`);
    const peers = Object.fromEntries(names.map((name) => [name, `unix://${socket(name)}`]));
    for (const name of names) {
      const peer = start("packages/hubble/src/relay/testing/peer-process.ts", [
        JSON.stringify({ name, socket: socket(name), perSecond, peers }),
      ]);
      processes.push(peer);
      await once(peer.stdout as NonNullable<typeof peer.stdout>, "data");
    }
    const address = `unix://${join(folder, "relay.sock")}`;
    const relay = start("dist/js/relay.mjs", [
      "--disable-client-tls",
      `--peer-service=${peers["node-1"]}`,
      `--listen-address=${address}`,
      "--health-listen-address=",
      "--log-level=warn",
    ]);
    processes.push(relay);
    await sleep(warmUpMs);
    const { flows, outOfOrder, delaysMs, cpuMs } = await follow(address, relay.pid as number);
    return [
      `${nodes} nodes x ${perSecond.toLocaleString("en")}`,
      Math.round(flows / (durationMs / 1000)).toLocaleString("en"),
      ((cpuMs * 1000) / flows).toFixed(1),
      ((cpuMs / durationMs) * 100).toFixed(0),
      outOfOrder,
      median(delaysMs).toFixed(0),
      (residentBytes(relay.pid as number) / 2 ** 20).toFixed(0),
    ];
  } finally {
    for (const child of processes) child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

function start(program: string, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [join(projectRoot(), program), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** What a client sees in `durationMs`, once it has begun. */
async function follow(address: string, relayPid: number) {
  const client = connectTo(address);
  const stop = new AbortController();
  const request = toBinary(GetFlowsRequestSchema, create(GetFlowsRequestSchema, { follow: true }));
  const seen = { flows: 0, outOfOrder: 0, delaysMs: [] as number[] };
  let last = 0n;
  const reading = (async () => {
    const path = "/observer.Observer/GetFlows";
    for await (const batch of client.streamBatches(path, request, stop.signal))
      for (const message of batch) {
        const { kind, timeNs } = peekResponse(message);
        if (kind !== "flow") continue;
        seen.flows++;
        if (timeNs < last) seen.outOfOrder++;
        else last = timeNs;
        if (seen.flows % 97 === 0) seen.delaysMs.push(Date.now() - Number(timeNs / 1_000_000n));
      }
  })().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  await sleep(warmUpMs);
  const before = { cpuMs: processCpuMs(relayPid), flows: seen.flows, outOfOrder: seen.outOfOrder };
  seen.delaysMs.length = 0;
  await sleep(durationMs);
  const found = {
    flows: seen.flows - before.flows,
    outOfOrder: seen.outOfOrder - before.outOfOrder,
    delaysMs: seen.delaysMs.slice(),
    cpuMs: processCpuMs(relayPid) - before.cpuMs,
  };
  stop.abort();
  await reading;
  client.close();
  return found;
}
