import assert from "node:assert/strict";
import { test } from "node:test";
import { loadConfig } from "../config/load.ts";
import { hubbleSettings } from "./settings.ts";

const read = (...args: string[]) =>
  hubbleSettings(loadConfig(["--k8s-node-name=node-1", "--run-dir=/run/x", ...args], {}).values);

test("sockets and history are in the agent's folder unless they are put elsewhere", () => {
  const { socketPath, history } = read();
  assert.deepEqual([socketPath, history?.folder], ["/run/x/hubble.sock", "/run/x/hubble"]);
  const elsewhere = read("--hubble-socket-path=/a", "--hubble-history-folder=/b");
  assert.deepEqual([elsewhere.socketPath, elsewhere.history?.folder], ["/a", "/b"]);
});

test("what is switched off is not there", () => {
  const { history, tls } = read("--hubble-history=false", "--hubble-disable-tls");
  assert.deepEqual([history, tls], [undefined, undefined]);
});

test("options of metrics keep their commas", () => {
  const { metrics } = read(
    "--hubble-metrics=drop:labelsContext=source_ip,source_pod tcp",
    "--hubble-metrics-server=:9965",
  );
  assert.deepEqual(metrics.words, ["drop:labelsContext=source_ip,source_pod", "tcp"]);
});
