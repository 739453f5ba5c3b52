import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";

const main = join(import.meta.dirname, "main.ts");
/** Nobody has to be there: the page says so. */
const flags = ["--relay", "unix:///nowhere/relay.sock", "--listen", "127.0.0.1:0"];

for (const signal of ["SIGTERM", "SIGINT"] as const)
  test(`one ${signal} ends the server, also for who keeps a channel to it and waits for its end`, async () => {
    const server = spawn(process.execPath, [main, ...flags], {
      stdio: ["ignore", "pipe", "inherit", "ipc"],
    });
    try {
      assert.ok(server.stdout);
      const [line] = (await once(createInterface({ input: server.stdout }), "line")) as [string];
      assert.match(line, /the page is served/);
      server.kill(signal);
      const ended = AbortSignal.timeout(5_000);
      assert.deepEqual(await once(server, "exit", { signal: ended }), [0, null]);
    } finally {
      server.kill("SIGKILL");
    }
  });
