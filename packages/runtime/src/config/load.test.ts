import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ConfigError, describeKeys, loadKeys } from "./load.ts";
import { cidrs, flag, flagAs, numberOf, wholeNumber } from "./values.ts";

const keys = {
  port: wholeNumber(80, [1, 65535], "a port"),
  fast: flag(false, "hurry"),
  faster: flagAs("fast", "hurry more"),
};
const folder = mkdtempSync(join(tmpdir(), "tsilium-keys-"));
after(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, "port"), "81\n");
writeFileSync(join(folder, "of-another"), "x");

const load = (shared: boolean, args: readonly string[] = []) =>
  loadKeys(keys, {
    args: ["--config-dir", folder, ...args],
    environment: { TSILIUM_FAST: "true", CILIUM_OF_ANOTHER: "y" },
    shared,
    contradictions: ({ port, fast }) => (fast && port < 81 ? ["too fast for that port"] : []),
  });

test("keys of others are passed over in a shared environment and folder", () => {
  const { values, sources } = load(true);
  assert.deepEqual(values, { port: 81, fast: true, faster: true });
  assert.deepEqual(sources, { port: "config-dir", fast: "environment", faster: "default" });
});

test("keys of others are errors where nothing is shared, and on the command line always", () => {
  assert.throws(
    () => load(false),
    new ConfigError([
      '$CILIUM_OF_ANOTHER: unknown key "of-another"',
      `${folder}/of-another: unknown key "of-another"`,
    ]),
  );
  assert.throws(
    () => load(true, ["--of-another=z"]),
    /^ConfigError: --of-another: unknown key "of-another"$/,
  );
});

test("values that contradict each other are refused once each can be read", () => {
  assert.throws(() => load(true, ["--port=80"]), /too fast for that port/);
  assert.throws(() => load(true, ["--port=x"]), /wanted a whole number from 1 to 65535, got "x"$/);
});

test("the help names every key, its kind and its default", () => {
  assert.match(describeKeys(keys), /--port number 1-65535\n {8}a port \(default 80\)/);
});

test("a key that follows another has its value until it is set itself", () => {
  const { values, sources } = load(true, ["--faster=false"]);
  assert.deepEqual([values.fast, values.faster, sources.faster], [true, false, "flag"]);
  assert.match(describeKeys(keys), /hurry more \(default as fast\)/);
});

test("numbers of a list and CIDRs are read, and others refused with what is wanted", () => {
  const size = numberOf(251, [251, 509], "a prime");
  assert.deepEqual([size.fallback, size.parse("509"), size.kind], [251, 509, "251|509"]);
  assert.throws(() => size.parse("252"), /^Error: wanted 251 or 509$/);
  const ranges = cidrs("where").parse("10.0.0.0/8, fd00::/8");
  assert.deepEqual(ranges.map(String), ["10.0.0.0/8", "fd00::/8"]);
  assert.throws(() => cidrs("where").parse("10.0.0.0/8,x"), /^Error: wanted CIDRs \(/);
});
