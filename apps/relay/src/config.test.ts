import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "@tsilium/runtime/config.ts";
import { loadConfig } from "./config.ts";
import { peerTlsOf, socketsOf } from "./sockets.ts";

const plain = ["--disable-client-tls", "--disable-server-tls"];

test("lists are taken from flags that are there several times, or with commas", () => {
  const config = loadConfig(
    [
      ...plain,
      "--peer-service",
      "unix:///a.sock",
      "--peer-service=b:4244,c:4244",
      "--listen-address=unix:///r.sock",
      "--listen-address",
      "127.0.0.1:4245",
    ],
    {},
  );
  assert.deepEqual(config["peer-service"], ["unix:///a.sock", "b:4244", "c:4244"]);
  assert.deepEqual(socketsOf(config), [{ unix: "/r.sock" }, { host: "127.0.0.1", port: 4245 }]);
  assert.equal(peerTlsOf(config), undefined);
});

test("without flags relay listens on :4245 and asks the node's own server", () => {
  const config = loadConfig(plain, { CILIUM_CLUSTER_NAME: "east", CILIUM_ROUTING_MODE: "native" });
  assert.deepEqual(config["listen-address"], [":4245"]);
  assert.deepEqual(config["peer-service"], ["unix:///var/run/tsilium/hubble.sock"]);
  assert.equal(config["cluster-name"], "east");
  assert.deepEqual(socketsOf(config), [{ host: "::", port: 4245 }]);
});

test("certificates reach both sides, clients' are required", () => {
  const config = loadConfig(
    [
      "--tls-hubble-client-cert-file=c",
      "--tls-hubble-client-key-file=k",
      "--tls-hubble-server-ca-files=a,b",
      "--tls-relay-server-cert-file=C",
      "--tls-relay-server-key-file=K",
      "--tls-relay-client-ca-files=A",
    ],
    {},
  );
  assert.deepEqual(peerTlsOf(config), { certFile: "c", keyFile: "k", caFile: ["a", "b"] });
  assert.deepEqual(socketsOf(config), [
    {
      host: "::",
      port: 4245,
      tls: { certFile: "C", keyFile: "K", caFile: ["A"], minVersion: "TLSv1.2" },
    },
  ]);
});

const problems = (args: string[]): readonly string[] => {
  try {
    loadConfig(args, {});
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
};

test("plain text has to be wanted", () => {
  assert.deepEqual(problems(["--disable-client-tls", "--tls-relay-server-cert-file=x"]), [
    "tls-relay-server-key-file is missing (or disable-server-tls)",
    "tls-relay-client-ca-files is missing (or disable-server-tls)",
  ]);
  assert.equal(problems(["--disable-server-tls"]).length, 3);
  // A unix socket has its mode.
  assert.deepEqual(problems(["--disable-client-tls", "--listen-address=unix:///r.sock"]), []);
});

test("mistakes are named", () => {
  assert.deepEqual(problems([...plain, "--peer-servce=x"]), [
    '--peer-servce: unknown key "peer-servce", did you mean "peer-service"?',
  ]);
  assert.equal(problems([...plain, "--peer-service"]).length, 1);
  assert.deepEqual(
    problems([
      ...plain,
      "--listen-address=foo",
      "--peer-service=unix:relative",
      "--health-listen-address=80",
    ]),
    [
      'listen-address: wanted host:port or unix:///path, got "foo"',
      'peer-service: wanted unix:///path or host:port, got "unix:relative"',
      'health-listen-address: wanted host:port, got "80"',
    ],
  );
});
