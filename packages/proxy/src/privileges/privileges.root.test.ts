import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const index = JSON.stringify(join(import.meta.dirname, "index.ts"));
const syscall = JSON.stringify(join(import.meta.dirname, "../../../syscall/src/index.ts"));

/** Runs a script in a Node process of its own, as root at first. */
async function script(body: string): Promise<string> {
  const source = `
    import * as fs from "node:fs";
    import { dropPrivileges, StateFolder } from ${index};
    import * as sys from ${syscall};
    ${body}`;
  const { stdout } = await run(process.execPath, ["--input-type=module-typescript", "-e", source]);
  return stdout.trim();
}

describe("privileges", () => {
  test("a dropped process is nobody with CAP_NET_RAW, in every thread", async () => {
    const out = await script(`
      await fs.promises.readFile("/proc/version");
      dropPrivileges({ uid: 65534, gid: 65534 });
      const lines = fs.readdirSync("/proc/self/task").map((task) =>
        fs.readFileSync("/proc/self/task/" + task + "/status", "utf8")
          .match(/(Uid|CapEff|NoNewPrivs):\\s+\\S+/g).map((line) => line.split(/\\s+/)[1]).join(" "));
      console.log(lines.toSorted().join("|"));
    `);
    const threads = out.split("|");
    assert.ok(threads.length > 2, out);
    assert.equal(threads.at(-1), "65534 0000000000002000 1");
    for (const thread of threads.slice(0, -1)) assert.equal(thread, "65534 0000000000000000 1");
  });

  test("it can open transparent and raw sockets, and nothing that root can", async () => {
    const out = await script(`
      import { spawnSync } from "node:child_process";
      dropPrivileges({ uid: 65534, gid: 65534 });
      const attempt = (what) => { try { what(); return "yes"; } catch (error) { return error.code; } };
      console.log([
        attempt(() => {
          const fd = sys.socket(sys.AF_INET, sys.SOCK_DGRAM);
          sys.setsockopt(fd, sys.IPPROTO_IP, sys.IP_TRANSPARENT, 1);
          sys.bind(fd, sys.sockaddrIn(new Uint8Array([192, 0, 2, 1]), 0));
        }),
        attempt(() => sys.socket(sys.AF_INET, sys.SOCK_RAW, 17)),
        attempt(() => fs.readFileSync("/etc/shadow")),
        attempt(() => { const { error } = spawnSync("/bin/true"); if (error) throw error; }),
        attempt(() => sys.setresuid(0)),
        attempt(() => sys.unshare(sys.CLONE_NEWNET)),
        attempt(() => sys.capset([12, 13])),
      ].join(" "));
    `);
    assert.equal(out, "yes yes EACCES EPERM EPERM EPERM EPERM");
  });

  test("root is nobody to become", async () => {
    const out = await script(`
      try { dropPrivileges({ uid: 0, gid: 1 }); } catch (error) { console.log(error.code); }
    `);
    assert.equal(out, "privileges_kept");
  });

  test("a state folder behind root's folders is still written and read", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tsilium-privileges-"));
    try {
      const state = join(folder, "state");
      const out = await script(`
        const folder = StateFolder.open(${JSON.stringify(state)}, { uid: 65534, gid: 65534 });
        dropPrivileges({ uid: 65534, gid: 65534 });
        let denied = "";
        try { fs.readdirSync(${JSON.stringify(state)}); } catch (error) { denied = error.code; }
        const before = folder.read("rules.json");
        folder.write("rules.json", "one");
        folder.write("rules.json", "two");
        console.log([denied, before, folder.read("rules.json")].join(" "));
      `);
      assert.equal(out, "EACCES  two");
      assert.equal(statSync(join(state, "rules.json")).mode & 0o777, 0o600);
      writeFileSync(join(state, "rules.json"), `${"0".repeat(64)}\ntwo`);
      const damaged = await script(`
        const folder = StateFolder.open(${JSON.stringify(state)});
        console.log(JSON.stringify(folder.read("rules.json")));
      `);
      assert.equal(damaged, '{"kind":"damaged"}');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
