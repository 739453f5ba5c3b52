// What somebody who means harm can send: nothing of it may cost more than it is worth, or be taken for something else.
import { strict as assert } from "node:assert";
import { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { Duplex, duplexPair, PassThrough } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { after, before, test } from "node:test";
import type { AuditEvent } from "./audit/event.ts";
import { forwardPorts } from "./streams/port-forward.ts";
import { encodeControl, FrameReader, encodeData, types, words } from "./streams/spdy/frames.ts";
import { encodeHeaders, HeaderStorer } from "./streams/spdy/headers.ts";
import { responseOn, upgradeToWebSocket } from "./streams/upgrade.ts";
import { configMap, configMaps, TestServer } from "./testing/server.ts";

let api: TestServer;
const events: AuditEvent[] = [];

before(async () => {
  api = await TestServer.start({ audit: (event) => events.push(event) });
});
after(async () => {
  await api[Symbol.asyncDispose]();
  assert.deepEqual(api.faults, []);
});

const node = { "Impersonate-User": "system:node:n", "Impersonate-Group": "system:nodes" };

/** who, headers, status of a list of ConfigMaps, or of the path */
const impersonations: readonly (readonly [
  string,
  string,
  Record<string, string>,
  number,
  string?,
])[] = [
  [
    "an administrator as nobody has nobody's rights",
    "admin-token",
    { "Impersonate-User": "bob" },
    403,
  ],
  ["an administrator as a node may read nodes", "admin-token", node, 200, "/api/v1/nodes"],
  ["an administrator as a node may not write", "admin-token", node, 403],
  [
    "an administrator as another is one",
    "admin-token",
    { "Impersonate-User": "bob", "Impersonate-Group": "system:masters" },
    200,
  ],
  [
    "nobody acts as an administrator",
    "nobody-token",
    { "Impersonate-User": "admin", "Impersonate-Group": "system:masters" },
    403,
  ],
  [
    "an agent acts as nobody else",
    "agent-token",
    { "Impersonate-User": "agent" },
    403,
    "/api/v1/nodes",
  ],
  [
    "a group without a user is refused",
    "admin-token",
    { "Impersonate-Group": "system:nodes" },
    400,
  ],
  ["an unknown header is refused", "admin-token", { ...node, "Impersonate-Power": "all" }, 400],
  [
    "who is anonymous is not known",
    "admin-token",
    { "Impersonate-User": "system:anonymous" },
    401,
    "/api",
  ],
];
for (const [what, token, headers, status, path = configMaps] of impersonations)
  test(`impersonation: ${what}`, async () => {
    const answer = await api.send("GET", path, { token, headers });
    assert.equal(answer.status, status, answer.text);
  });

test("the audit log tells who acted, and as whom", async () => {
  events.length = 0;
  await api.send("GET", configMaps, { headers: { "Impersonate-User": "bob" } });
  const [event] = events;
  assert.equal(event?.user.username, "admin");
  assert.equal(event?.impersonatedUser?.username, "bob");
  assert.equal(event?.annotations?.["authorization.k8s.io/decision"], "forbid");
});

test("a name with an end of line in it stays in its line of the audit log", async () => {
  events.length = 0;
  await api.send("GET", `${configMaps}/a%0A%7B%22kind%22:%22Event%22%7D`);
  const [event] = events;
  assert.equal(event?.objectRef?.name, 'a\n{"kind":"Event"}');
  assert.equal(JSON.stringify(event).split("\n").length, 1);
});

test("what is served nowhere has details, if empty ones: kubectl debug looks into them", async () => {
  for (const path of [`${configMaps}/a/nothing`, "/metrics", "/apis/none/v1", "/openapi/v3/none"]) {
    const { status, body } = await api.send("GET", path);
    assert.deepEqual([status, body["details"]], [404, {}], path);
  }
});

const bombs = {
  values: `a: &a [${"x,".repeat(50)}x]\n${["b", "c", "d", "e", "f"]
    .map((name, at) => `${name}: &${name} [${`*${"abcde"[at]},`.repeat(50)}x]`)
    .join("\n")}`,
  texts: `a: &a ${"x".repeat(100_000)}\nb: [${"*a,".repeat(10_000)}*a]`,
};
for (const [what, text] of Object.entries(bombs))
  test(`a few lines of YAML that stand for very many ${what} are refused`, async () => {
    const raw = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\n${text}\n`;
    for (const [method, path, contentType] of [
      ["POST", configMaps, "application/yaml"],
      ["PATCH", `${configMaps}/bomb?fieldManager=m`, "application/apply-patch+yaml"],
    ] as const) {
      const { status, body } = await api.send(method, path, { contentType, raw });
      assert.equal(status, 400);
      assert.match(body["message"], /larger than any request once its aliases are resolved/);
    }
  });

test("aliases that repeat little are as good as what they repeat", async () => {
  const raw =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: aliases, labels: &l {a: b}, annotations: *l}\n";
  const { status, body } = await api.send("POST", configMaps, {
    contentType: "application/yaml",
    raw,
  });
  assert.equal(status, 201);
  assert.deepEqual(body["metadata"].annotations, { a: "b" });
});

test("forged managedFields, however many, are thrown together or refused, and the object can still be changed", async () => {
  const forged = (count: number, operation: string) =>
    Array.from({ length: count }, (_, at) => ({
      manager: `m${at}`,
      operation,
      apiVersion: "v1",
      fieldsType: "FieldsV1",
      fieldsV1: { "f:data": { [`f:k${at}`]: {} } },
    }));
  const made = await api.create(
    configMaps,
    configMap("forged", { managedFields: forged(2000, "Update") }),
  );
  assert.ok(
    made["metadata"].managedFields.length <= 12,
    `${made["metadata"].managedFields.length}`,
  );
  await api.create(configMaps, configMap("forged-2", { managedFields: forged(2000, "Apply") }));
  const { status } = await api.send("PATCH", `${configMaps}/forged-2`, {
    contentType: "application/merge-patch+json",
    body: { data: { b: "2" } },
  });
  assert.equal(status, 200);
});

test("forged continue tokens show nothing that the list itself would not", async () => {
  const token = (text: string) => Buffer.from(text).toString("base64url");
  for (const [text, status] of [
    [":default/", 400],
    ["../../secrets:default/a", 400],
    [`${"0".repeat(36)}:default/a`, 410],
    ["x".repeat(10_000), 400],
  ] as const) {
    const path = `${configMaps}?limit=1&continue=${token(text)}`;
    assert.equal((await api.send("GET", path)).status, status, text.slice(0, 50));
  }
  // One of another namespace goes on in the namespace that is asked for.
  const path = `${configMaps}?limit=500&continue=${token(":a/a")}`;
  const { body } = await api.send("GET", path);
  for (const { metadata } of body["items"]) assert.equal(metadata.namespace, "default");
});

test("a snapshot of one namespace's list is not read through another's", async () => {
  for (const name of ["snap-1", "snap-2"]) await api.create(configMaps, configMap(name));
  const { body } = await api.send("GET", `${configMaps}?limit=1`);
  const next = body["metadata"].continue as string;
  const elsewhere = "/api/v1/namespaces/kube-public/configmaps";
  const { body: other } = await api.send("GET", `${elsewhere}?limit=500&continue=${next}`);
  assert.equal(other["message"], "continue key is not valid");
});

test("a SPDY frame that comes byte by byte costs its length, not its length squared", () => {
  const reader = new FrameReader();
  const frame = encodeData(1, Buffer.alloc(1 << 20, 7));
  let copied = 0;
  const concat = Buffer.concat;
  Buffer.concat = (list, total) => {
    const made = concat(list, total);
    copied += made.length;
    return made;
  };
  try {
    const frames = [];
    for (let at = 0; at < frame.length; at += 64)
      frames.push(...reader.push(frame.subarray(at, at + 64)));
    assert.deepEqual(
      frames.map(({ payload }) => payload.length),
      [1 << 20],
    );
  } finally {
    Buffer.concat = concat;
  }
  assert.ok(copied < 4 * frame.length, `${copied} bytes were copied for ${frame.length}`);
});

test("a client that forwards ports keeps no more names than it may have connections", async () => {
  const near = new PassThrough();
  const far = new PassThrough();
  const socket = Duplex.from({ readable: near, writable: far } as never);
  const refused: number[] = [];
  const answers = new FrameReader();
  far.on("data", (chunk: Buffer) => {
    for (const frame of answers.push(chunk))
      if (frame.kind === "control" && frame.type === types.rstStream)
        refused.push(frame.payload.readUInt32BE(0));
  });
  const serving = forwardPorts(socket, async () => Promise.reject(new Error("nobody listens")));
  const storer = new HeaderStorer();
  for (let count = 0; count < 1100; count++) {
    const id = 2 * count + 1;
    const headers = new Map([
      ["streamtype", "error"],
      ["port", "80"],
      ["requestid", String(count)],
    ]);
    near.write(
      encodeControl(
        types.synStream,
        Buffer.concat([words(id, 0), Buffer.alloc(2), storer.wrap(encodeHeaders(headers))]),
      ),
    );
    // Reset at once: the stream is forgotten, its name was not.
    near.write(encodeControl(types.rstStream, words(id, 5)));
  }
  near.end();
  await serving;
  assert.equal(refused.length, 100);
});

test("who pings a WebSocket and reads no answer is not answered for ever", async () => {
  const [near, far] = duplexPair();
  const request = new IncomingMessage(near as Socket);
  Object.assign(request, { httpVersionMajor: 1, httpVersionMinor: 1, method: "GET" });
  request.headers = {
    upgrade: "websocket",
    connection: "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": Buffer.alloc(16, 1).toString("base64"),
    "sec-websocket-protocol": "v5.channel.k8s.io",
  };
  const response = responseOn(request, near, Buffer.alloc(0));
  const socket = await upgradeToWebSocket({ request, response });
  let heard = 0;
  socket.on("ping", () => heard++);
  // A ping of 125 bytes, masked with zeros.
  const ping = Buffer.concat([Buffer.from([0x89, 0xfd, 0, 0, 0, 0]), Buffer.alloc(125)]);
  const pings = 5000;
  for (let sent = 0; sent < pings; sent += 100) {
    far.write(Buffer.concat(Array.from({ length: 100 }, () => ping)));
    await turn();
  }
  while (heard < pings) await turn();
  assert.ok(near.writableLength > 10_000, "some are answered");
  assert.ok(near.writableLength < 100_000, `${near.writableLength} bytes wait`);
  socket.terminate();
  far.destroy();
});
