import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ApiError } from "./error.ts";
import type { Route } from "./router.ts";
import { ApiServer } from "./server.ts";

const routes: Route[] = [
  {
    method: "GET",
    path: "/good",
    summary: "",
    responses: {},
    handle: () => ({ status: 200, json: { ok: true } }),
  },
  {
    method: "POST",
    path: "/echo",
    summary: "",
    responses: {},
    handle: ({ body }) => ({ status: 200, text: Buffer.from(body).toString() }),
  },
  {
    method: "GET",
    path: "/missing",
    summary: "",
    responses: {},
    handle: () => {
      throw new ApiError(404, "not_found", "no such thing");
    },
  },
  {
    method: "GET",
    path: "/broken",
    summary: "",
    responses: {},
    handle: () => {
      throw new Error("it broke");
    },
  },
  {
    method: "GET",
    path: "/lines",
    summary: "",
    responses: {},
    handle: ({ signal }) => ({ status: 200, lines: forever(signal) }),
  },
];

let streaming = 0;
async function* forever(signal: AbortSignal): AsyncGenerator<string> {
  streaming++;
  try {
    yield "first";
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  } finally {
    streaming--;
  }
}

async function withServer(run: (socket: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-rest-"));
  try {
    await using server = new ApiServer({ routes });
    await server.listen(join(folder, "api.sock"));
    await run(join(folder, "api.sock"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function ask(socketPath: string, method: string, path: string, body = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    request(
      { socketPath, method, path, headers: { "content-length": Buffer.byteLength(body) } },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("end", () => resolve(`${response.statusCode} ${text.trim()}`));
      },
    )
      .on("error", reject)
      .end(body);
  });
}

function send(socketPath: string, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(socketPath, () => socket.end(bytes));
    socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    socket.on("close", () => resolve(text.split("\r\n")[0] ?? "")).on("error", reject);
  });
}

test("the socket can be opened by its owner alone", async () => {
  await withServer(async (socket) => {
    assert.equal((statSync(socket).mode & 0o777).toString(8), "600");
  });
});

test("a socket that nobody listens on is replaced, one in use is not taken", async () => {
  await withServer(async (socket) => {
    await using second = new ApiServer({ routes });
    await assert.rejects(second.listen(socket), /another agent listens/);
    assert.equal(await ask(socket, "GET", "/good"), '200 {"ok":true}');
  });
});

test("answers are JSON, text or a failure with its code", async () => {
  await withServer(async (socket) => {
    assert.equal(await ask(socket, "POST", "/echo", "hello"), "200 hello");
    assert.equal(
      await ask(socket, "GET", "/missing"),
      '404 {"code":"not_found","message":"no such thing"}',
    );
    assert.equal(
      await ask(socket, "GET", "/broken"),
      '500 {"code":"internal","message":"it broke"}',
    );
    assert.equal(
      await ask(socket, "GET", "/nowhere"),
      '404 {"code":"not_found","message":"nothing lives at /nowhere"}',
    );
  });
});

test("garbage is answered with 400 and the next request is served", async () => {
  await withServer(async (socket) => {
    for (const garbage of [
      "\0\0\0\0",
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "\x16\x03\x01\x02\x00",
    ]) {
      assert.equal(
        await send(socket, garbage),
        "HTTP/1.1 400 Bad Request",
        JSON.stringify(garbage),
      );
    }
    assert.equal(await ask(socket, "GET", "/good"), '200 {"ok":true}');
  });
});

test("a body of more than a megabyte is refused", async () => {
  await withServer(async (socket) => {
    const answer = await ask(socket, "POST", "/echo", "x".repeat((1 << 20) + 1));
    assert.match(answer, /^413 /);
  });
});

test("a stream ends when its client goes away", async () => {
  await withServer(async (socketPath) => {
    const client = request({ socketPath, path: "/lines" });
    const first = await new Promise((resolve) => {
      client.on("response", (response) => response.setEncoding("utf8").once("data", resolve)).end();
    });
    assert.equal(first, "first\n");
    assert.equal(streaming, 1);
    client.on("error", () => undefined).destroy();
    while (streaming > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});
