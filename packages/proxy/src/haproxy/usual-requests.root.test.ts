// Which requests HAProxy reads in the short way (reading.ts). It shows in what they cost and nowhere else, so a HAProxy with
// these rules alone is asked what they left behind.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, suite, test } from "node:test";
import { readingRules } from "./reading.ts";

/** "known": of a host that was read before; "plain": read whole, and no rule about odd requests asked; "odd": all of them. */
type Way = "known" | "plain" | "odd";

const usual = [
  "User-Agent: curl/8.0",
  "Accept: */*",
  "X-Request-Id: 4bf9",
  "Traceparent: 00-4b-00-01",
];

suite("which requests are read in the short way", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-haproxy-"));
  let port: number;
  let haproxy: ChildProcess;
  before(async () => {
    port = await freePort();
    writeFileSync(join(folder, "cfg"), config(port));
    haproxy = spawn("haproxy", ["-db", "-f", join(folder, "cfg")], { stdio: "ignore" });
    for (let tries = 0; tries < 200; tries++) {
      const socket = connect(port, "127.0.0.1");
      const isThere = await once(socket, "connect").then(
        () => true,
        () => false,
      );
      socket.destroy();
      if (isThere) return;
      await sleep(10);
    }
    throw new Error("HAProxy does not start");
  });
  after(async () => {
    const gone = once(haproxy, "exit");
    haproxy.kill("SIGKILL");
    await gone;
    rmSync(folder, { recursive: true, force: true });
  });

  /** Requests of one connection: lines, then in which way each is read, and as what. */
  const rows: Readonly<Record<string, readonly (readonly [readonly string[], Way, string])[]>> = {
    "those of a host that was read before on the connection": [
      [["GET /a HTTP/1.1", "Host: h", ...usual], "plain", "GET h /a"],
      [["GET /b?c=d HTTP/1.1", "Host: h", ...usual], "known", "GET h /b?c=d"],
      [["GET /b HTTP/1.1", "Host: h", "Connection: keep-alive"], "known", "GET h /b"],
      [["HEAD /b HTTP/1.1", "Host: h", "Content-Length: 0"], "known", "HEAD h /b"],
      [["GET /b HTTP/1.1", "Host: h2:99"], "plain", "GET h2:99 /b"],
      [["GET /b HTTP/1.1", "Host: h2:99"], "known", "GET h2:99 /b"],
      [["GET /b HTTP/1.1", "Host: h"], "plain", "GET h /b"],
      // Whose path is odd is read whole whatever else is known.
      [["GET /b/../%61 HTTP/1.1", "Host: h"], "odd", "GET h /a"],
      [["GET /b HTTP/1.1", "Host: h"], "known", "GET h /b"],
    ],
    "not those that say how the connection goes on, or are of an old version": [
      [["GET /a HTTP/1.1", "Host: h"], "plain", "GET h /a"],
      [["GET /a HTTP/1.1", "Host: h", "Upgrade: h2c", "Connection: upgrade"], "odd", "GET h /a"],
      [["GET /a HTTP/1.1", "Host: h", "Connection: x-token"], "odd", "GET h /a"],
      [["GET /a HTTP/1.1", "Host: h", "HTTP2-Settings: AAMAAABk"], "odd", "GET h /a"],
      [["GET /a HTTP/1.1", "Host: H"], "odd", "GET h /a"],
      [["GET /a HTTP/1.1", "Host: h"], "known", "GET h /a"],
      [["GET /a HTTP/1.0", "Host: h", "Connection: keep-alive"], "plain", "GET h /a"],
    ],
  };
  for (const [title, requests] of Object.entries(rows))
    test(title, async () => {
      const socket = connect(port, "127.0.0.1");
      for (const [lines, way, subject] of requests) {
        const head = await ask(socket, `${lines.join("\r\n")}\r\n\r\n`);
        assert.equal(/\r\nx-subject: (.*)\r\n/.exec(head)?.[1], subject, head);
        const wayOf = /\r\nx-odd: 1/.test(head)
          ? "odd"
          : /\r\nx-plain: 1/.test(head)
            ? "plain"
            : "known";
        assert.equal(wayOf, way, head);
      }
      socket.destroy();
    });
});

function config(port: number): string {
  const way = [
    'hdr x-subject "%[var(txn.q)]"',
    'hdr x-plain "%[var(txn.c),add(0)]"',
    'hdr x-odd "%[var(txn.w),length,bool]"',
  ];
  return [
    "global",
    "  expose-experimental-directives",
    "defaults",
    "  mode http",
    "  timeout client 10s",
    "  timeout server 10s",
    "  timeout connect 10s",
    "frontend in",
    `  bind 127.0.0.1:${port}`,
    ...readingRules().map((rule) => `  ${rule}`),
    "  default_backend out",
    "backend out",
    `  http-request return status 204 ${way.join(" ")}`,
    "",
  ].join("\n");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function ask(socket: Socket, request: string): Promise<string> {
  socket.write(request);
  const [head] = (await once(socket, "data", { signal: AbortSignal.timeout(5_000) })) as [Buffer];
  return head.toString("latin1");
}
