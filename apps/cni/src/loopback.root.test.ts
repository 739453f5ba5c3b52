// The built loopback plugin as a container runtime runs it.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { projectRoot } from "@tsilium/syscall";
import { Topology } from "@tsilium/testkit";

const plugin = join(projectRoot(), "dist/bin/loopback");

type Answer = { readonly status: number | null; readonly stdout: string };

function run(command: string, netns: string | undefined, config: string | object = {}): Answer {
  const environment = { CNI_COMMAND: command, CNI_CONTAINERID: "a", CNI_IFNAME: "lo" };
  return spawnSync(plugin, {
    env: netns === undefined ? environment : { ...environment, CNI_NETNS: netns },
    input: typeof config === "string" ? config : JSON.stringify(config),
    encoding: "utf8",
  });
}

const addressesOf = (netns: string) =>
  execFileSync("nsenter", [`--net=${netns}`, "ip", "-br", "address", "show", "lo"], {
    encoding: "utf8",
  });

for (const cniVersion of ["0.3.1", "1.0.0"])
  test(`ADD brings lo up and says so as cniVersion ${cniVersion} does`, () => {
    using topology = new Topology();
    const { path } = topology.netns("container");
    execFileSync("nsenter", [`--net=${path}`, "ip", "link", "set", "lo", "down"]);
    assert.equal(run("CHECK", path, { cniVersion }).status, 1);
    const { status, stdout } = run("ADD", path, { cniVersion, name: "lo", type: "loopback" });
    assert.equal(status, 0, stdout);
    const family = (version: string) => (cniVersion === "0.3.1" ? { version } : {});
    assert.deepEqual(JSON.parse(stdout), {
      cniVersion,
      interfaces: [{ name: "lo", mac: "00:00:00:00:00:00", sandbox: path }],
      ips: [
        { ...family("4"), interface: 0, address: "127.0.0.1/8" },
        { ...family("6"), interface: 0, address: "::1/128" },
      ],
      dns: {},
    });
    assert.match(addressesOf(path), /127\.0\.0\.1\/8 ::1\/128/);
    assert.equal(run("CHECK", path, { cniVersion }).status, 0);
    assert.deepEqual([run("DEL", path).status, run("DEL", undefined).status], [0, 0]);
  });

const refusals: readonly [
  what: string,
  command: string,
  netns: string | undefined,
  config: string | object,
  code: number,
][] = [
  ["a namespace that is gone", "ADD", "/run/netns/gone", {}, 3],
  ["a file that is no namespace", "ADD", "/etc/passwd", {}, 5],
  ["a relative path that does not exist", "ADD", "gone", {}, 3],
  ["no namespace", "ADD", undefined, {}, 4],
  ["a path that would break the answer", "ADD", '/run/"}', {}, 4],
  ["another plugin's result before it", "ADD", "/proc/self/ns/net", { prevResult: {} }, 2],
  ["a command that does not exist", "EAT", "/proc/self/ns/net", {}, 4],
  ["stdin that is no JSON", "ADD", "/proc/self/ns/net", "{", 6],
  ["stdin that is no object", "DEL", "/proc/self/ns/net", "[]", 6],
  ["an endless stdin", "ADD", "/proc/self/ns/net", " ".repeat(1 << 20), 6],
];

for (const [what, command, netns, config, code] of refusals)
  test(`${what} is refused with code ${code}`, () => {
    const { status, stdout } = run(command, netns, config);
    assert.deepEqual([status, (JSON.parse(stdout) as { code: number }).code], [1, code], stdout);
  });
