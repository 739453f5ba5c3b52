import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { testAuthority } from "@tsilium/testkit/certificates.ts";
import { readSettings } from "../config/settings.ts";
import { clientTls } from "./tls.ts";

test("TLS as flags say, with files that are what they should be", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hubble-cli-tls-"));
  try {
    const authority = await testAuthority("a");
    const { caFile, certFile, keyFile } = await authority.issueFiles(join(folder, "one"), ["one"]);
    const other = await authority.issueFiles(join(folder, "two"), ["two"]);
    const nothing = join(folder, "nothing.pem");
    writeFileSync(nothing, "nothing");
    const tls = async (flags: Record<string, unknown>, address = "a:1") => {
      const prefixed = Object.entries(flags).map(([name, value]) => [`tls-${name}`, value]);
      const named = { ...Object.fromEntries(prefixed), tls: flags["tls"] ?? false };
      return clientTls(await readSettings(named, { HUBBLE_CONFIG: "/none" }), address);
    };
    const own = { "client-cert-file": certFile, "client-key-file": keyFile };
    const authorities = { "ca-cert-files": [caFile, other.caFile] };

    assert.equal(await tls({}), undefined);
    assert.deepEqual(await tls({ ...authorities, "server-name": "x.io" }, "tls://a:1"), {
      caFile: [caFile, other.caFile],
      serverName: "x.io",
    });
    assert.deepEqual(await tls({ ...authorities, ...own, tls: true }), {
      caFile: [caFile, other.caFile],
      certFile,
      keyFile,
    });
    const refused: readonly (readonly [Record<string, unknown>, string, RegExp])[] = [
      [{ "client-cert-file": certFile }, "tls://a:1", /needs its key/],
      [own, "a:1", /asked without TLS/],
      [{ tls: true }, "unix:///a", /unix sockets have no TLS/],
      [{ "ca-cert-files": [nothing] }, "tls://a:1", /nothing.pem holds no certificate: /],
      [{ "ca-cert-files": ["/none"] }, "tls://a:1", /^--tls-ca-cert-files: ENOENT/],
      [
        { ...authorities, "client-cert-file": certFile, "client-key-file": other.keyFile },
        "tls://a:1",
        /are no certificate and its key: /,
      ],
      [
        { ...authorities, "client-cert-file": nothing, "client-key-file": keyFile },
        "tls://a:1",
        /are no certificate and its key: /,
      ],
    ];
    for (const [flags, address, message] of refused)
      await assert.rejects(tls(flags, address), { message });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
