import assert from "node:assert/strict";
import { test } from "node:test";
import { loadConfig } from "./config.ts";

const rows: readonly (readonly [string, readonly string[], RegExp | undefined])[] = [
  ["nothing said", [], undefined],
  ["loopback", ["--listen", "[::1]:0"], undefined],
  ["every interface", ["--listen", ":12000"], /not on loopback/],
  ["an address beyond loopback", ["--listen", "10.0.0.1:12000"], /not on loopback/],
  [
    "a name that only looks like loopback",
    ["--listen", "127.0.0.1.example:12000"],
    /not on loopback/,
  ],
  ["a token", ["--listen", "10.0.0.1:12000", "--token-file", "t"], undefined],
  [
    "TLS alone, which asks nobody who he is",
    ["--listen", "10.0.0.1:1", "--listen-tls-cert-file=c", "--listen-tls-key-file=k"],
    /not on loopback/,
  ],
  [
    "TLS with client certificates",
    [
      "--listen",
      "10.0.0.1:1",
      "--listen-tls-cert-file=c",
      "--listen-tls-key-file=k",
      "--listen-tls-client-ca-files=a",
    ],
    undefined,
  ],
  [
    "client certificates without TLS",
    ["--listen-tls-client-ca-files=a"],
    /needs listen-tls-cert-file/,
  ],
  ["every interface without a name", ["--listen", ":1", "--token-file", "t"], /has no name/],
  [
    "every interface with a name",
    ["--listen", ":1", "--token-file", "t", "--host", "hubble.example"],
    undefined,
  ],
  ["a key without its certificate", ["--listen-tls-key-file=k"], /go together/],
  ["a client key without its certificate", ["--tls-client-key-file=k"], /go together/],
  ["no address", ["--listen", "12000"], /no listen address/],
];
for (const [what, args, problem] of rows) {
  test(`${what}: ${problem ? "refused" : "fine"}`, () => {
    if (problem) assert.throws(() => loadConfig(args, {}), problem);
    else assert.equal(loadConfig(args, {}).relay, "localhost:4245");
  });
}
