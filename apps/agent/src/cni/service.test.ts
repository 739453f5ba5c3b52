import assert from "node:assert/strict";
import { test } from "node:test";
import { EndpointError } from "@tsilium/endpoint";
import { IpamError } from "@tsilium/ipam";
import { KubeError } from "@tsilium/kube";
import { createLog } from "@tsilium/runtime";
import { toCniError } from "./errors.ts";
import { type CniCommands, CniService } from "./service.ts";

const log = createLog({ level: "silent" });
const never = new AbortController().signal;

function body(command: string, config: object = {}): Uint8Array {
  const netconf = JSON.stringify({ cniVersion: "1.1.0", name: "tsilium", ...config });
  return Buffer.from(
    `CNI_COMMAND=${command}\0CNI_CONTAINERID=c1\0CNI_NETNS=/n\0CNI_IFNAME=eth0\0\0${netconf}`,
  );
}

function serviceOf(commands: Promise<CniCommands>): CniService {
  return new CniService({ commands, startingMessage: () => "waiting for spring", log });
}

async function codeOf(service: CniService, request: Uint8Array): Promise<string> {
  const { text = "", headers } = await service.answer(request, never);
  if (headers?.["x-cni-exit"] === "0") return `0 ${text}`;
  const { code, msg, details } = JSON.parse(text) as {
    code: number;
    msg: string;
    details?: string;
  };
  return `${code} ${msg}${details ? ` (${details})` : ""}`;
}

test("while the agent starts STATUS says what it waits for, at once", async () => {
  const service = serviceOf(new Promise(() => undefined));
  assert.equal(
    await codeOf(service, body("STATUS")),
    "50 the agent is starting (waiting for spring)",
  );
});

test("a request that cannot be read is answered even then", async () => {
  const service = serviceOf(new Promise(() => undefined));
  assert.equal(
    await codeOf(service, Buffer.from("x")),
    "6 the request is cut off (no empty string ends the environment)",
  );
});

/** ADDs last until they are cut short; everything is remembered in order. */
function slowCommands(events: string[]): CniCommands {
  return {
    add: (_request, signal) =>
      new Promise((_, reject) => {
        events.push("add");
        signal.addEventListener("abort", () => {
          events.push("undone");
          reject(signal.reason as Error);
        });
      }),
    delete: async () => void events.push("delete"),
    check: () => undefined,
    status: () => undefined,
    stale: () => [{ containerId: "c1", ifName: "eth0" }],
  };
}

test("a DEL cuts an ADD of the same container short and comes after it was undone", async () => {
  const events: string[] = [];
  const service = serviceOf(Promise.resolve(slowCommands(events)));
  const adding = codeOf(service, body("ADD"));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await codeOf(service, body("DEL")), "0 ");
  assert.equal(await adding, "11 the container was deleted while it was added");
  assert.deepEqual(events, ["add", "undone", "delete"]);
});

test("a plugin that goes away takes its ADD with it", async () => {
  const events: string[] = [];
  const service = serviceOf(Promise.resolve(slowCommands(events)));
  const gone = new AbortController();
  const adding = service.answer(body("ADD"), gone.signal);
  await new Promise((resolve) => setImmediate(resolve));
  gone.abort(new Error("the client went away"));
  assert.equal((await adding).headers?.["x-cni-exit"], "1");
  assert.deepEqual(events, ["add", "undone"]);
});

test("GC deletes what is stale", async () => {
  const events: string[] = [];
  const service = serviceOf(Promise.resolve(slowCommands(events)));
  assert.equal(await codeOf(service, body("GC", { "cni.dev/valid-attachments": [] })), "0 ");
  assert.deepEqual(events, ["delete"]);
});

test("an agent that stops sends runtimes to its successor", async () => {
  const service = serviceOf(Promise.resolve(slowCommands([])));
  await service.stop();
  assert.equal(await codeOf(service, body("STATUS")), "11 the agent is stopping");
});

const rows: readonly (readonly [Error, number])[] = [
  [new IpamError("pool_exhausted", ""), 103],
  [new EndpointError("attachment_exists", ""), 104],
  [new EndpointError("netns_gone", ""), 3],
  [new EndpointError("netns_invalid", ""), 8],
  [new EndpointError("kernel_refused", ""), 105],
  [new KubeError("ConnectionFailed", ""), 11],
  [new DOMException("", "TimeoutError"), 11],
  [new TypeError("our own fault"), 100],
];
for (const [error, code] of rows) {
  test(`${error.name} "${error.message}" is CNI error ${code}`, () => {
    assert.equal(toCniError(error).code, code);
  });
}
