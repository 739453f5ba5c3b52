import assert from "node:assert/strict";
import { test } from "node:test";
import { serverAddress } from "./server-address.ts";

const settings = (server: string, tls: boolean) => ({ text: () => server, flag: () => tls });

test("addresses in every form that gRPC's clients take", () => {
  const rows: readonly (readonly [string, string, string?])[] = [
    ["unix:///a/b.sock", "unix:///a/b.sock"],
    ["unix:/a/b.sock", "unix:///a/b.sock"],
    ["/a/b.sock", "unix:///a/b.sock"],
    ["relay:4245", "relay:4245", "tls://relay:4245"],
    ["tls://relay:4245", "tls://relay:4245"],
    ["dns:///relay:4245", "relay:4245", "tls://relay:4245"],
    ["passthrough:///[::1]:4245", "[::1]:4245", "tls://[::1]:4245"],
  ];
  for (const [given, plain, withTls = plain] of rows) {
    assert.equal(serverAddress(settings(given, false), { TSILIUM_LAB: "nobody" }), plain);
    assert.equal(serverAddress(settings(given, true), {}), withTls);
  }
});

test("a lab that is named and is not there is not passed over", () => {
  assert.throws(
    () => serverAddress(settings("", false), { TSILIUM_LAB: "no-lab-of-hubble-test" }),
    {
      message: /lab "no-lab-of-hubble-test"/,
    },
  );
  assert.throws(() => serverAddress(settings("", false), { TSILIUM_LAB: "../.." }), {
    message: /cannot be a lab's name/,
  });
});
