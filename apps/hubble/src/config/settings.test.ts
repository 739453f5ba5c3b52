import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { defaultConfigFile, readConfigFile, writeConfigFile } from "./file.ts";
import { readSettings } from "./settings.ts";

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "hubble-config-"));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a flag counts before a variable, that before the file, that before the default", () =>
  inFolder(async (folder) => {
    const config = join(folder, "config.yaml");
    writeFileSync(
      config,
      "server: file:1\ntimeout: 7s\ntls: true\nrequest-timeout: 1m\nallowlist: ['{}']\n",
    );
    const environment = {
      HUBBLE_CONFIG: config,
      HUBBLE_SERVER: "variable:1",
      HUBBLE_TIMEOUT: "8s",
      HUBBLE_TLS_SERVER_NAME: "",
    };
    const settings = await readSettings({ server: "flag:1", tls: false }, environment);
    assert.deepEqual(
      (["server", "timeout", "tls", "request-timeout", "tls-server-name", "debug"] as const).map(
        (name) => [name, settings.value(name), settings.source(name)],
      ),
      [
        ["server", "flag:1", "flag"],
        ["timeout", "8s", "environment"],
        ["tls", false, "flag"],
        ["request-timeout", "1m", "file"],
        ["tls-server-name", "", "default"],
        ["debug", false, "default"],
      ],
    );
    assert.equal(settings.milliseconds("request-timeout"), 60_000);
    assert.deepEqual(settings.list("allowlist"), ["{}"]);
    assert.equal(settings.text("config"), config);
  }));

test("lists: of files by commas, of filters whole", async () => {
  const settings = await readSettings(
    {},
    {
      HUBBLE_CONFIG: "/none",
      HUBBLE_TLS_CA_CERT_FILES: "[a.pem, b.pem]",
      HUBBLE_DENYLIST: '{"a":[1,2]} {}',
    },
  );
  assert.deepEqual(settings.list("tls-ca-cert-files"), ["a.pem", "b.pem"]);
  assert.deepEqual(settings.list("denylist"), ['{"a":[1,2]} {}']);
});

test("what a key cannot be says where it stands and what to write", () =>
  inFolder(async (folder) => {
    const config = join(folder, "config.yaml");
    const refused = async (text: string, message: RegExp, variables = {}) => {
      writeFileSync(config, text);
      await assert.rejects(readSettings({ config }, variables), { message }, text);
    };
    await refused("timeout: soon", /^timeout in .*config.yaml: "soon" is no duration$/);
    await refused("timeout: -5s", /is no duration$/);
    await refused("tls: perhaps", /"perhaps" is neither true nor false$/);
    await refused("server: [a]", /\["a"\] is no text$/);
    await refused("tls-ca-cert-files: {a: b}", /is no list of texts$/);
    await refused("", /^HUBBLE_TLS: "yes" is neither true nor false$/, { HUBBLE_TLS: "yes" });
    await refused("- a", /is no mapping of keys to values$/);
    await refused("a: [", /is no YAML: /);
    await assert.rejects(readSettings({ config: folder }, {}), {
      message: /^cannot read the configuration file: EISDIR/,
    });
  }));

test("the file is for its owner alone, and what one writes is read again", () =>
  inFolder(async (folder) => {
    const config = join(folder, "new/config.yaml");
    await writeConfigFile(config, { "tls-ca-cert-files": ["a.pem"], server: "unix:///a b" });
    assert.equal(
      readFileSync(config, "utf8"),
      "server: unix:///a b\ntls-ca-cert-files:\n  - a.pem\n",
    );
    assert.equal(statSync(config).mode & 0o777, 0o600);
    assert.deepEqual(await readConfigFile(config), {
      server: "unix:///a b",
      "tls-ca-cert-files": ["a.pem"],
    });
    await writeConfigFile(config, {});
    assert.deepEqual(await readConfigFile(config), {});
  }));

test("where the file is", () =>
  inFolder(async (folder) => {
    assert.equal(defaultConfigFile({ HOME: folder }), join(folder, ".config/hubble/config.yaml"));
    assert.equal(
      defaultConfigFile({ HOME: folder, XDG_CONFIG_HOME: "/x" }),
      "/x/hubble/config.yaml",
    );
    const former = join(folder, ".hubble/config.yaml");
    await writeConfigFile(former, { debug: true });
    assert.equal(defaultConfigFile({ HOME: folder }), former);
  }));
