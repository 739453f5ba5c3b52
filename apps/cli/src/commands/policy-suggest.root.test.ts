import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { flowsResponseToJson } from "@tsilium/hubble/codec/index.ts";
import type { Flow } from "@tsilium/hubble/model.ts";
import {
  denied,
  forwarded,
  podEndpoint,
  type Someone,
  tcp,
} from "../../../../packages/policy/src/suggest/testing/seen.ts";
import { testServer } from "../../../hubble/src/testing/server.ts";

const main = join(import.meta.dirname, "../main.ts");
const folder = mkdtempSync(join(tmpdir(), "policy-suggest-"));
after(() => rmSync(folder, { recursive: true }));

type Result = { readonly status: number; readonly stdout: string; readonly stderr: string };

function suggest(...words: string[]): Promise<Result> {
  return new Promise((resolve) => {
    const args = [main, "policy", "suggest", ...words];
    const env = { ...process.env, HOME: folder, HUBBLE_SERVER: "" };
    execFile(process.execPath, args, { cwd: folder, env }, (error, stdout, stderr) =>
      resolve({ status: typeof error?.code === "number" ? error.code : 0, stdout, stderr }),
    );
  });
}

const web: Someone = {
  group: "web",
  endpoint: podEndpoint("shop", { app: "web" }, "web-1"),
  address: "10.244.1.5",
};
const client: Someone = {
  group: "client",
  endpoint: podEndpoint("shop", { app: "client" }, "client-1"),
  address: "10.244.1.6",
};

const flows: readonly Flow[] = [
  ...forwarded({ from: client, to: web, port: tcp(8080) }),
  ...denied({ from: client, to: web, port: tcp(22) }, "ingress"),
].map((flow) => ({ ...flow, timeNs: BigInt(Date.now()) * 1_000_000n, nodeName: "node-1" }));

/** Names of policies, and of the ports in them. */
function ported(yaml: string): string[] {
  return [...yaml.matchAll(/(?:^ {2}name|port): '?([\w-]+)/gm)].map(([, name = ""]) => name);
}

test("policies are suggested from what a server has recorded", async () => {
  await using server = await testServer();
  server.add(...flows);
  const { status, stdout, stderr } = await suggest("-n", "shop", "--server", server.address);
  assert.equal(stderr, "2 policies from 2 connections (4 flows): 2 as seen\n");
  assert.deepEqual(ported(stdout), ["client", "8080", "web", "8080"]);
  assert.equal(status, 0);
});

test("and from a file of the hubble CLI, with what was denied on demand", async () => {
  const file = join(folder, "flows.json");
  const lines = flows.map((flow) =>
    JSON.stringify(flowsResponseToJson({ flow, nodeName: "node-1", timeNs: flow.timeNs })),
  );
  writeFileSync(file, `${lines.join("\n")}\nno flow\n`);
  const { status, stdout, stderr } = await suggest(
    "-n",
    "shop",
    "--flows",
    file,
    "--include-drops",
  );
  assert.match(stderr, /^warning: line 7 of .*flows.json is no flow/);
  assert.deepEqual(ported(stdout), ["client", "22", "8080", "web", "22", "8080"]);
  assert.equal(status, 0);
});

test("what a NetworkPolicy cannot say is told, and ends with status 2", async () => {
  await using server = await testServer();
  server.add(
    ...forwarded({ from: client, to: web, port: { kind: "icmp4", type: 8, code: 0 } }).map(
      (flow) => ({ ...flow, timeNs: BigInt(Date.now()) * 1_000_000n }),
    ),
  );
  const words = ["-n", "shop", "--server", server.address, "--kind", "NetworkPolicy", "-o", "json"];
  const { status, stdout, stderr } = await suggest(...words);
  assert.match(
    stderr,
    /not to be named in a rule of this kind, and so denied:\n {4}shop\/app=client -> shop\/app=web {2}ICMPv4 type 8/,
  );
  const { policies, unnameable } = JSON.parse(stdout) as { policies: []; unnameable: [] };
  assert.deepEqual([policies.length, unnameable.length], [2, 1]);
  assert.equal(status, 2);
});

test("without any flow there is nothing to suggest", async () => {
  await using server = await testServer();
  const { status, stderr } = await suggest("-n", "shop", "--server", server.address);
  assert.equal(status, 1);
  assert.match(stderr, /no connection of pods in shop was seen \(0 flows read\)/);
});

test("pods are of whatever cluster they are, if it is one", async () => {
  const of = (clusterName: string) =>
    flows.map((flow) => ({
      ...flow,
      source: { ...flow.source, clusterName },
      destination: { ...flow.destination, clusterName },
    }));
  await using server = await testServer();
  server.add(...of("east"));
  const alone = await suggest("-n", "shop", "--server", server.address);
  assert.equal(alone.stderr, "2 policies from 2 connections (4 flows): 2 as seen\n");
  server.add(...of("west"));
  const both = await suggest("-n", "shop", "--server", server.address);
  assert.match(both.stderr, /^error: pods of several clusters were seen: east, west\nSay whose/);
  const one = ["--cluster-name", "west"];
  const west = await suggest("-n", "shop", "--server", server.address, ...one);
  assert.deepEqual(ported(west.stdout), ["client", "8080", "web", "8080"]);
});
