// Logs and commands through the API server, against a kubelet that says what it was asked and echoes what it is sent.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { framedPeer } from "./streams/channel-frames.ts";
import { channels } from "./streams/channels.ts";
import { pod, pods, TestServer } from "./testing/server.ts";

let api: TestServer;
let kubelet: Server;
let uid: string;
let several: string;
const asked: string[] = [];

before(async () => {
  api = await TestServer.start({ kubelet: (node) => (node === "node-1" ? socket() : undefined) });
  kubelet = createServer((request, response) => {
    asked.push(request.url ?? "");
    response.statusCode = request.url?.includes("previous") ? 400 : 200;
    response.end(response.statusCode === 200 ? "line\n" : "no previous run");
  });
  kubelet.on("upgrade", (request, duplex) => {
    asked.push(request.url ?? "");
    duplex.write("HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    const peer = framedPeer(duplex);
    void peer.run(async ({ channel, bytes, end }) => {
      if (channel !== channels.stdin) return;
      if (!end) return peer.send({ channel: channels.stdout, bytes });
      await peer.send({ channel: channels.error, bytes: Buffer.from("over"), end: true });
      peer.close();
    });
  });
  await once(kubelet.listen(socket()), "listening");
  const bound = { nodeName: "node-1" };
  const containers = [{ name: "c", image: "x" }];
  uid = (await api.create(pods, pod("one", { spec: { ...bound, containers } })))["metadata"].uid;
  const two = [...containers, { name: "d", image: "x" }];
  several = (await api.create(pods, pod("two", { spec: { ...bound, containers: two } })))[
    "metadata"
  ].uid;
  await api.create(pods, pod("waiting"));
  await api.create(pods, pod("elsewhere", { spec: { nodeName: "node-9", containers } }));
});
after(async () => {
  kubelet.closeAllConnections();
  kubelet.close();
  const { faults } = api;
  await api[Symbol.asyncDispose]();
  assert.deepEqual(faults, []);
});

const socket = () => join(api.folder, "kubelet.sock");

test("a log is what the kubelet says, and it is told which", async () => {
  const { status, text, headers } = await api.send(
    "GET",
    `${pods}/one/log?tailLines=3&timestamps=true&follow=0&limitBytes=10`,
  );
  assert.deepEqual([status, text, headers["content-type"]], [200, "line\n", "text/plain"]);
  assert.equal(asked.at(-1), `/logs/${uid}/c?timestamps=true&tailLines=3&limitBytes=10`);
  await api.send("GET", `${pods}/two/log?container=d&sinceTime=2026-01-01T00%3A00%3A00Z`);
  assert.equal(asked.at(-1), `/logs/${several}/d?sinceTime=2026-01-01T00%3A00%3A00Z`);
});

for (const [method, path, status, message] of [
  ["GET", "none/log", 404, /pods "none" not found/],
  ["GET", "two/log", 400, /a container name must be specified for pod two, choose one of: \[c d\]/],
  ["GET", "one/log?container=x", 400, /container x is not valid for pod one/],
  ["GET", "one/log?container=..%2F..%2Fetc", 400, /is not valid for pod one/],
  ["GET", "one/log?tailLines=-1", 400, /tailLines/],
  ["GET", "one/log?sinceSeconds=x", 400, /sinceSeconds/],
  ["GET", "one/log?sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z", 400, /at most one/],
  ["GET", "one/log?previous=true", 400, /^no previous run$/],
  ["GET", "waiting/log", 400, /pod waiting does not have a host assigned/],
  ["GET", "elsewhere/log", 503, /node-9/],
  ["POST", "one/exec?stdout=true", 400, /at least 1 command/],
  ["POST", "one/exec?command=x", 400, /at least 1 of stdin, stdout, stderr/],
  ["POST", "one/exec?command=x&stdout=true", 400, /Upgrade request required/],
  ["POST", "one/portforward", 400, /Upgrade request required/],
  ["POST", "one/log", 405, /does not allow this method/],
  ["PUT", "one/exec", 405, /does not allow this method/],
] as const) {
  test(`${method} ${path} is refused with ${status}`, async () => {
    const answer = await api.send(method, `${pods}/${path}`);
    assert.equal(answer.status, status);
    assert.match(answer.body["message"], message);
  });
}

test("who may not is refused before anything is looked up", async () => {
  for (const path of ["one/log", "one/exec?command=x&stdout=1"]) {
    const { status } = await api.send("GET", `${pods}/${path}`, { token: "agent-token" });
    assert.equal(status, 403);
  }
});

/** A WebSocket to a subresource, and its messages as text with their channels. */
function open(path: string, protocols: readonly string[], token = "admin-token") {
  const url = `wss://127.0.0.1:${api.server.port}${pods}/${path}`;
  const headers = { Authorization: `Bearer ${token}` };
  const client = new WebSocket(url, [...protocols], { ca: api.pki.ca, headers });
  const heard: string[] = [];
  client.on("message", (data: Buffer) => heard.push(`${data[0]}:${data.subarray(1)}`));
  return { client, heard };
}

const message = (channel: number, text: string) =>
  Buffer.concat([Buffer.from([channel]), Buffer.from(text)]);

test("a command over a WebSocket: its channels, and the end of its input", async () => {
  const { client, heard } = open("one/exec?command=a&command=b&stdin=1&stdout=1", [
    "v4.channel.k8s.io",
    "v5.channel.k8s.io",
  ]);
  await once(client, "open");
  assert.equal(client.protocol, "v5.channel.k8s.io");
  client.send(message(0, "hello"));
  client.send(Buffer.from([255, 0]));
  await once(client, "close");
  // The empty message says that it has begun.
  assert.deepEqual(heard, ["1:", "1:hello", "3:over"]);
  assert.equal(asked.at(-1), `/exec/${uid}/c?command=a&command=b&stdin=true&stdout=true`);
});

for (const [what, path, protocol, token, status] of [
  ["without a protocol of ours", "one/exec?command=a&stdout=1", "v1.nobody", "admin-token", 400],
  ["of who may not", "one/exec?command=a&stdout=1", "v5.channel.k8s.io", "agent-token", 403],
  ["with a wrong token", "one/exec?command=a&stdout=1", "v5.channel.k8s.io", "wrong", 401],
  ["for no pod", "none/exec?command=a&stdout=1", "v5.channel.k8s.io", "admin-token", 404],
] as const) {
  test(`an upgrade ${what} is answered with ${status}`, async () => {
    const { client } = open(path, [protocol], token);
    client.on("error", () => {});
    const [, response] = (await once(client, "unexpected-response")) as [
      unknown,
      { statusCode: number },
    ];
    assert.equal(response.statusCode, status);
    client.terminate();
  });
}
