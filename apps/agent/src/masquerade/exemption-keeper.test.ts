import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Prefix } from "@tsilium/net";
import { createLog } from "@tsilium/runtime";
import { ExemptionKeeper } from "./exemption-keeper.ts";

/** A folder as kubelet mounts a ConfigMap: the file leads through a link that is swapped. */
function configMap() {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-masq-"));
  let version = 0;
  return {
    folder,
    file: join(folder, "ip-masq-agent"),
    write(text: string) {
      const name = `..v${++version}`;
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "ip-masq-agent"), text);
      symlinkSync(name, join(folder, "..next"));
      renameSync(join(folder, "..next"), join(folder, "..data"));
      if (version === 1) symlinkSync("..data/ip-masq-agent", join(folder, "ip-masq-agent"));
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Holds what it was told last; told refuses while it is full. */
function table() {
  let held: string[] = ["198.51.100.0/24"];
  let waiting: (() => void)[] = [];
  const it = {
    isFull: false,
    setExempt(prefixes: Iterable<Prefix>) {
      if (it.isFull) throw new Error("ENOSPC");
      held = Array.from(prefixes, String);
      for (const wake of waiting.splice(0)) wake();
    },
    get held() {
      return held.join(" ");
    },
    changed: () => new Promise<void>((resolve) => waiting.push(resolve)),
  };
  return it;
}

const log = createLog({ level: "fatal" });
const flags = "masqLinkLocal: true\nmasqLinkLocalIPv6: true\n";

test("what a ConfigMap says is in force from the start, and what it says next as soon as it is mounted", async () => {
  using mounted = configMap();
  mounted.write(`${flags}nonMasqueradeCIDRs: [10.1.0.0/16]`);
  const kernel = table();
  using keeper = new ExemptionKeeper({ file: mounted.file, table: kernel, log });
  keeper.start();
  assert.equal(kernel.held, "10.1.0.0/16");
  assert.match(keeper.health.message, /^1 CIDRs not masqueraded, by /);
  const changed = kernel.changed();
  mounted.write(`${flags}nonMasqueradeCIDRs: [10.2.0.0/16]`);
  await changed;
  assert.equal(kernel.held, "10.2.0.0/16");
});

test("a file that says nonsense changes nothing and is told of; the next good one counts", async () => {
  using mounted = configMap();
  mounted.write("nonMasqueradeCIDRs: banana");
  const kernel = table();
  using keeper = new ExemptionKeeper({ file: mounted.file, table: kernel, log });
  keeper.start();
  assert.equal(kernel.held, "198.51.100.0/24");
  assert.equal(keeper.health.state, "degraded");
  assert.match(keeper.health.message, /what was in force stays.*wanted a list/);
  const changed = kernel.changed();
  mounted.write(`${flags}nonMasqueradeCIDRs: [10.2.0.0/16]`);
  await changed;
  assert.equal(keeper.health.state, "ok");
});

test("a table that refuses is told of, and a file that is not there makes the defaults", () => {
  const kernel = table();
  kernel.isFull = true;
  using keeper = new ExemptionKeeper({ file: "/nowhere/ip-masq-agent", table: kernel, log });
  keeper.start();
  assert.match(keeper.health.message, /ENOSPC/);
  kernel.isFull = false;
  using second = new ExemptionKeeper({ file: "/nowhere/ip-masq-agent", table: kernel, log });
  second.start();
  assert.match(kernel.held, /^10\.0\.0\.0\/8 .*fe80::\/10$/);
  assert.match(second.health.message, /13 CIDRs not masqueraded, by default/);
});

test("a file that is no text, or no file, changes nothing", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-masq-"));
  try {
    const file = join(folder, "binary");
    writeFileSync(file, Uint8Array.of(0xff, 0xfe, 0x00));
    for (const path of [file, folder]) {
      const kernel = table();
      using keeper = new ExemptionKeeper({ file: path, table: kernel, log });
      keeper.start();
      assert.equal(kernel.held, "198.51.100.0/24");
      assert.equal(keeper.health.state, "degraded");
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
