import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ConfigError } from "@tsilium/runtime/config.ts";
import { loadConfig, podCidrPools } from "./config.ts";

const problems = (args: string[]): readonly string[] => {
  try {
    loadConfig(args, {});
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
};

test("flags win over the environment, the environment over the folder, the folder over defaults", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-config-"));
  try {
    for (const key of ["log-level", "cluster-pool-ipv4-mask-size", "enable-ipv6"])
      writeFileSync(
        join(folder, key),
        { "log-level": "warn", "enable-ipv6": "false" }[key] ?? "26",
      );
    writeFileSync(join(folder, "routing-mode"), "tunnel"); // the agent's
    const config = loadConfig(["--config-dir", folder, "--cluster-pool-ipv4-mask-size=25"], {
      TSILIUM_LOG_LEVEL: "debug",
      CILIUM_LOG_LEVEL: "error",
      CILIUM_ROUTING_MODE: "tunnel",
    });
    assert.equal(config["cluster-pool-ipv4-mask-size"], 25);
    assert.equal(config["log-level"], "debug");
    assert.equal(config["enable-ipv6"], false);
    assert.equal(config["operator-prometheus-serve-addr"], "127.0.0.1:9963");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("ranges become a pool per enabled family", () => {
  const pools = podCidrPools(
    loadConfig(["--cluster-pool-ipv4-cidr", "10.1.0.0/16,10.2.0.0/16", "--enable-ipv6=false"], {}),
  );
  assert.deepEqual(
    pools.map(({ family, ranges, maskSize }) => `${family} ${ranges.join(" ")} /${maskSize}`),
    ["4 10.1.0.0/16 10.2.0.0/16 /24"],
  );
});

test("every mistake on the command line is named, with the nearest known key", () => {
  assert.deepEqual(
    problems(["--cluster-pol-ipv4-cidr", "x", "--log-level", "loud", "--kubeconfig", "extra", "y"]),
    [
      '"y" is not a flag: wanted --key value',
      '--log-level: log-level: wanted trace or debug or info or warn or error or fatal, got "loud"',
      '--cluster-pol-ipv4-cidr: unknown key "cluster-pol-ipv4-cidr", did you mean "cluster-pool-ipv4-cidr"?',
    ],
  );
});

test("ranges that cannot be carved are refused", () => {
  assert.deepEqual(problems(["--cluster-pool-ipv4-cidr", "10.0.0.0/25"]), [
    "cluster-pool-ipv4-cidr: 10.0.0.0/25 is smaller than one block of length 24",
  ]);
  assert.deepEqual(problems(["--cluster-pool-ipv6-cidr", "10.0.0.0/8"]), [
    "cluster-pool-ipv6-cidr: 10.0.0.0/8 is no IPv6 range",
  ]);
  assert.equal(problems(["--cluster-pool-ipv4-cidr", "10.0.0.1/8"]).length, 1);
  assert.equal(problems(["--enable-ipv4=false", "--enable-ipv6=false"]).length, 1);
});
