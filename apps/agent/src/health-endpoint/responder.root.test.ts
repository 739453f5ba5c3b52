// The health endpoint's process by itself: its namespace, what it may do, and whom it answers.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { isRunning, type RunningProcess } from "@tsilium/proxy/launch/index.ts";
import { netnsOfProcess, Responder } from "./responder.ts";

const port = 4240;
const runDir = mkdtempSync(join(tmpdir(), "tsit-health-"));
const responder = new Responder({ runDir, port });
const signal = AbortSignal.timeout(60_000);
let running: RunningProcess;
before(async () => {
  running = await responder.start(signal);
  await inside("ip link set lo up");
});
after(async () => {
  await responder.stop();
  rmSync(runDir, { recursive: true });
});

test("it has a namespace of its own, no capability, and no way to another", () => {
  const ours = statSync("/proc/self/ns/net").ino;
  assert.notEqual(statSync(netnsOfProcess(running)).ino, ours);
  const status = readFileSync(`/proc/${running.pid}/status`, "utf8");
  for (const line of [
    "CapPrm:\t0000000000000000",
    "CapEff:\t0000000000000000",
    "NoNewPrivs:\t1",
    "Seccomp:\t2",
  ])
    assert.ok(status.includes(`${line}\n`), `${line} in\n${status}`);
});

test("it answers /hello in both families, and nothing else", async () => {
  const asked = (host: string, path: string) =>
    inside(`curl -s -o /dev/null -w '%{http_code}' 'http://${host}:${port}${path}'`);
  assert.equal(await asked("127.0.0.1", "/hello"), "200");
  assert.equal(await asked("[::1]", "/hello"), "200");
  assert.equal(await asked("127.0.0.1", "/"), "404");
  assert.equal(await asked("127.0.0.1", "/helloworld"), "404");
});

test("those who say nothing, or too much, or noise keep nobody else waiting and end nothing", async () => {
  const said = await inside(`python3 - <<'END'
import os, socket, time
def connect():
    return socket.create_connection(("127.0.0.1", ${port}), timeout=5)
silent = [connect() for _ in range(100)]
for one in silent[:50]: one.send(b"GET /hel")
for size in (1, 700, 1024, 5000):
    for _ in range(20):
        one = connect()
        try:
            one.send(os.urandom(size))
        except OSError:
            pass
        one.close()
started = time.time()
one = connect()
one.send(b"GET /hello HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
print(one.recv(12).decode(), time.time() - started < 1)
END`);
  assert.equal(said, "HTTP/1.1 200 True");
  assert.ok(isRunning(running));
});

test("another agent finds it; one that is to answer at another port does not take it over", async () => {
  assert.deepEqual(new Responder({ runDir, port }).found(), running);
  assert.equal(new Responder({ runDir, port: port + 1 }).found(), undefined);
  const next = await responder.start(signal);
  assert.ok(!isRunning(running) && isRunning(next));
  running = next;
});

/** Runs in its namespace; answers what it prints. */
function inside(script: string): Promise<string> {
  return new Promise((resolve, reject) =>
    execFile(
      "nsenter",
      [`--net=${netnsOfProcess(running)}`, "sh", "-c", script],
      { timeout: 20_000 },
      (error, stdout) => (error ? reject(error) : resolve(stdout.trim())),
    ),
  );
}
