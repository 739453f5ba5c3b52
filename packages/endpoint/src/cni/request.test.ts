import assert from "node:assert/strict";
import { test } from "node:test";
import { CniError } from "./error.ts";
import { answerVersion, decodeRequest } from "./request.ts";

type Fields = Record<string, string>;

const environment: Fields = {
  CNI_COMMAND: "ADD",
  CNI_CONTAINERID: "0a1b",
  CNI_NETNS: "/var/run/netns/pod",
  CNI_IFNAME: "eth0",
  CNI_ARGS: "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0;K8S_POD_UID=u-1;FOO=1",
  CNI_PATH: "/opt/cni/bin",
};
const config = { cniVersion: "1.1.0", name: "tsilium", type: "tsilium-cni" };

function bodyOf(changes: Fields, netconf: unknown = config): Uint8Array {
  const variables = Object.entries({ ...environment, ...changes });
  const stdin = typeof netconf === "string" ? netconf : JSON.stringify(netconf);
  return Buffer.from(`${variables.map(([key, value]) => `${key}=${value}\0`).join("")}\0${stdin}`);
}

function codeOf(body: Uint8Array): string {
  try {
    return decodeRequest(body).command;
  } catch (error) {
    assert.ok(error instanceof CniError, String(error));
    return `${error.code} ${error.message}`;
  }
}

test("an ADD decodes to its attachment, namespace and pod", () => {
  const request = decodeRequest(bodyOf({}));
  assert.deepEqual(request, {
    command: "ADD",
    invocation: {
      path: "/opt/cni/bin",
      args: environment["CNI_ARGS"],
      netconf: JSON.stringify(config),
    },
    config: {
      cniVersion: "1.1.0",
      name: "tsilium",
      previousResult: undefined,
      ipamType: undefined,
      chainingMode: undefined,
      validAttachments: undefined,
    },
    attachment: { containerId: "0a1b", ifName: "eth0" },
    netns: "/var/run/netns/pod",
    pod: { namespace: "shop", name: "cart-0", uid: "u-1" },
  });
});

test("a container that is no pod has no pod reference", () => {
  const request = decodeRequest(bodyOf({ CNI_ARGS: "" }));
  assert.equal(request.command === "ADD" && request.pod, undefined);
});

test("a DEL needs no namespace", () => {
  const request = decodeRequest(bodyOf({ CNI_COMMAND: "DEL", CNI_NETNS: "" }));
  assert.deepEqual(request.command === "DEL" && request.netns, undefined);
});

test("a GC keeps exactly the attachments it names", () => {
  const request = decodeRequest(
    bodyOf(
      { CNI_COMMAND: "GC" },
      { ...config, "cni.dev/valid-attachments": [{ containerID: "a", ifname: "eth0" }] },
    ),
  );
  assert.deepEqual(request.command === "GC" && request.validAttachments, [
    { containerId: "a", ifName: "eth0" },
  ]);
});

const previous = { interfaces: [{ name: "eth0" }], ips: [{ address: "10.244.0.7/32" }] };
const rows: readonly (readonly [string, Fields, unknown, string])[] = [
  ["no command", { CNI_COMMAND: "" }, config, "4 CNI_COMMAND is not valid"],
  ["an unknown command", { CNI_COMMAND: "EXPLODE" }, config, "4 CNI_COMMAND is not valid"],
  ["no container", { CNI_CONTAINERID: "" }, config, "4 CNI_CONTAINERID is missing"],
  [
    "a container ID that is a path",
    { CNI_CONTAINERID: "../x" },
    config,
    "4 CNI_CONTAINERID is not valid",
  ],
  ["no interface name", { CNI_IFNAME: "" }, config, "4 CNI_IFNAME is missing"],
  [
    "an interface name of 16 bytes",
    { CNI_IFNAME: "abcdefghijklmnop" },
    config,
    "4 CNI_IFNAME is not valid",
  ],
  ["an interface name with a slash", { CNI_IFNAME: "eth/0" }, config, "4 CNI_IFNAME is not valid"],
  ["an interface name of two dots", { CNI_IFNAME: ".." }, config, "4 CNI_IFNAME is not valid"],
  ["no namespace", { CNI_NETNS: "" }, config, "4 CNI_NETNS is missing"],
  ["a relative namespace path", { CNI_NETNS: "netns/pod" }, config, "4 CNI_NETNS is not valid"],
  ["malformed arguments", { CNI_ARGS: "IgnoreUnknown" }, config, "4 CNI_ARGS is malformed"],
  ["an unknown argument", { CNI_ARGS: "FOO=1" }, config, "4 CNI_ARGS has unknown keys"],
  ["half a pod", { CNI_ARGS: "K8S_POD_NAME=a" }, config, "4 CNI_ARGS names half a pod"],
  ["no JSON", {}, "{", "6 the network configuration is no JSON"],
  ["nothing on stdin", {}, "", "6 the network configuration is no JSON"],
  ["a JSON list", {}, [], "6 the network configuration is no JSON object"],
  ["no version", {}, { name: "x" }, "1 cniVersion is missing (which means 0.1.0)"],
  ["an old version", {}, { ...config, cniVersion: "0.2.0" }, '1 cniVersion "0.2.0"'],
  ["a version that is a number", {}, { ...config, cniVersion: 1 }, "1 cniVersion 1"],
  ["no network name", {}, { cniVersion: "1.0.0" }, "7 name is not valid"],
  ["address management by another plugin", {}, { ...config, ipam: { type: "host-local" } }, "ADD"],
  [
    "address management by a path",
    {},
    { ...config, ipam: { type: "../bin/sh" } },
    "7 ipam.type is not valid",
  ],
  [
    "a chaining mode that there is not",
    {},
    { ...config, "chaining-mode": "flannel" },
    '2 chaining-mode: "flannel"',
  ],
  ["an empty ipam", {}, { ...config, ipam: {} }, "ADD"],
  ["a plugin before this one", {}, { ...config, prevResult: previous }, "ADD"],
  [
    "CHECK before 0.4.0",
    { CNI_COMMAND: "CHECK" },
    { ...config, cniVersion: "0.3.1", prevResult: previous },
    "1 cniVersion 0.3.1 has no command CHECK",
  ],
  ["CHECK", { CNI_COMMAND: "CHECK" }, { ...config, prevResult: previous }, "CHECK"],
  ["CHECK with nothing to compare", { CNI_COMMAND: "CHECK" }, config, "7 prevResult is missing"],
  [
    "CHECK with a result of the wrong shape",
    { CNI_COMMAND: "CHECK" },
    { ...config, prevResult: { ips: [{}] } },
    "7 prevResult.ips is not valid",
  ],
  [
    "GC before 1.1.0",
    { CNI_COMMAND: "GC" },
    { ...config, cniVersion: "1.0.0" },
    "1 cniVersion 1.0.0 has no command GC",
  ],
  ["GC without a list", { CNI_COMMAND: "GC" }, config, "7 cni.dev/valid-attachments is missing"],
  [
    "GC with a malformed list",
    { CNI_COMMAND: "GC" },
    { ...config, "cni.dev/valid-attachments": [{ containerID: "a" }] },
    "7 cni.dev/valid-attachments is not valid",
  ],
  ["STATUS", { CNI_COMMAND: "STATUS" }, config, "STATUS"],
];

for (const [name, changes, netconf, expected] of rows) {
  test(`decoding a request with ${name} gives "${expected}"`, () => {
    assert.equal(codeOf(bodyOf(changes, netconf)), expected);
  });
}

test("a request that is cut off is an error, at every length", () => {
  const whole = bodyOf({});
  const end = whole.indexOf(0x7b);
  for (let length = 0; length < end; length++) {
    assert.match(codeOf(whole.subarray(0, length)), /^6 /);
  }
});

test("an error is answered in the request's version, or in the newest when it has none", () => {
  assert.equal(
    answerVersion(bodyOf({ CNI_IFNAME: "" }, { ...config, cniVersion: "0.4.0" })),
    "0.4.0",
  );
  assert.equal(answerVersion(bodyOf({}, { ...config, cniVersion: "7" })), "1.1.0");
  assert.equal(answerVersion(Buffer.from("garbage")), "1.1.0");
});
