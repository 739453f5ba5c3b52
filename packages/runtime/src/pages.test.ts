import assert from "node:assert/strict";
import { test } from "node:test";
import { parseListenAddress } from "./listen-address.ts";

const rows: readonly (readonly [string, string])[] = [
  ["127.0.0.1:9962", "127.0.0.1 9962"],
  [":9962", "undefined 9962"],
  ["[::1]:9962", "::1 9962"],
  ["localhost:0", "localhost 0"],
];
for (const [text, expected] of rows) {
  test(`${text} means to listen on ${expected}`, () => {
    const { host, port } = parseListenAddress(text);
    assert.equal(`${host} ${port}`, expected);
  });
}

for (const text of ["", "9962", "127.0.0.1", "::1:9962", "127.0.0.1:99999", "127.0.0.1:x"]) {
  test(`"${text}" is no listen address`, () => {
    assert.throws(() => parseListenAddress(text), /no listen address/);
  });
}
