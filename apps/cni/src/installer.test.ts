import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type CniInstallation,
  conflistName,
  installCni,
  keepCniInstalled,
  uninstallCni,
} from "./installer.ts";

let folder: string;
let installation: CniInstallation;

// Hooks outside of a suite would run around every test of the process that shares it.
describe("the installer", () => {
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tsilium-cni-"));
    writeFileSync(join(folder, "plugin"), "#!binary");
    installation = {
      plugin: join(folder, "plugin"),
      binDir: join(folder, "bin"),
      confDir: join(folder, "net.d"),
      agentSocket: "/run/agent.sock",
      deleteQueue: "/run/deleteQueue",
      exclusive: true,
    };
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test("the plugin is executable and the conflist names the agent's socket", () => {
    installCni(installation);
    assert.equal(statSync(join(folder, "bin/tsilium-cni")).mode & 0o777, 0o755);
    const list = JSON.parse(readFileSync(join(folder, "net.d", conflistName), "utf8"));
    assert.deepEqual(list.plugins, [
      { type: "tsilium-cni", agentSocket: "/run/agent.sock", deleteQueue: "/run/deleteQueue" },
    ]);
  });

  test("a host without a loopback plugin gets one, and one that is there stays", () => {
    const target = join(folder, "bin/loopback");
    writeFileSync(join(folder, "loopback"), "ours");
    installCni(installation);
    assert.equal(readFileSync(target, "utf8"), "ours");
    assert.equal(statSync(target).mode & 0o777, 0o755);
    writeFileSync(target, "the host's");
    installCni(installation);
    assert.equal(readFileSync(target, "utf8"), "the host's");
  });

  test("other configurations are set aside and come back at uninstall", () => {
    installCni(installation);
    writeFileSync(join(folder, "net.d/10-other.conflist"), "{}");
    installCni(installation);
    assert.deepEqual(readdirSync(join(folder, "net.d")), [
      conflistName,
      "10-other.conflist.tsilium_bak",
    ]);
    uninstallCni(installation.confDir);
    assert.deepEqual(readdirSync(join(folder, "net.d")), ["10-other.conflist"]);
  });

  test("a conflist that somebody removes comes back", async () => {
    installCni(installation);
    const stop = new AbortController();
    keepCniInstalled(installation, stop.signal);
    rmSync(join(folder, "net.d", conflistName));
    for (
      let tries = 0;
      tries < 100 && !readdirSync(join(folder, "net.d")).includes(conflistName);
      tries++
    )
      await sleep(20);
    stop.abort();
    assert.deepEqual(readdirSync(join(folder, "net.d")), [conflistName]);
  });
});
