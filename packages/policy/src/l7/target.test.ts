// The one form of a target, and what has none. Every line of shared/security.md about paths that can fail here.
import assert from "node:assert/strict";
import { test } from "node:test";
import { repeat, type Random } from "@tsilium/testkit";
import { normalizeHost, normalizeTarget } from "./target.ts";

function shown(target: string, method = "GET"): string {
  const result = normalizeTarget(target, method);
  if (!result.ok) return `refused: ${result.reason}`;
  return result.authority === undefined ? result.text : `${result.text} of ${result.authority}`;
}

const rows: [sentence: string, target: string, expected: string, method?: string][] = [
  ["a path is itself", "/a/b.html", "/a/b.html"],
  ["the query is left alone", "/a?b=/../c//d/./;x\\", "/a?b=/../c//d/./;x\\"],
  ["dots are taken away", "/a/./b/.", "/a/b/"],
  ["with what they undo", "/public/../secret", "/secret"],
  ["at the end", "/a/b/..", "/a/"],
  ["at the root alone", "/../../a", "/a"],
  ["until nothing is left", "/a/..", "/"],
  ["three dots are a name", "/a/.../b", "/a/.../b"],
  ["slashes are merged", "//a///b//", "/a/b/"],
  ["before dots are read", "/a//../b", "/b"],
  ["encoded dots are dots", "/public/%2e%2E/secret", "/secret"],
  ["half encoded ones too", "/public/.%2e/secret", "/secret"],
  ["what need not be encoded is not", "/%61%2D%7e%5F%41?%62", "/a-~_A?b"],
  ["what must be is in upper case", "/%3a%c3%a9?%3a", "/%3A%C3%A9?%3A"],
  [
    "an absolute target is a path and a host",
    "http://A.example:80/x/../y?z",
    "/y?z of a.example:80",
  ],
  ["whatever its case", "HTTPS://a/", "/ of a"],
  ["without a path", "http://a", "/ of a"],
  ["with a query alone", "http://a?b", "/?b of a"],
  ["of a v6 address", "http://[FD00::1]:8080/x", "/x of [fd00::1]:8080"],
  ["* is for OPTIONS", "*", "*", "OPTIONS"],
  ["and for nothing else", "*", "refused: is *"],
  ["no tunnels", "a:443", "refused: asks for a tunnel", "CONNECT"],
  ["an authority is no path", "a:443", "refused: is neither a path nor a URL"],
  ["nor is a name", "secret", "refused: is neither a path nor a URL"],
  ["nor another scheme", "ftp://a/x", "refused: is neither a path nor a URL"],
  ["nor nothing", "", "refused: has a character other than printable ASCII"],
  ["no user", "http://u@a/x", "refused: has an authority that is no host"],
  ["no host", "http:///x", "refused: has an authority that is no host"],
  ["an encoded slash", "/public/..%2Fsecret", "refused: has an encoded slash in its path"],
  ["in lower case", "/public%2fsecret", "refused: has an encoded slash in its path"],
  ["but in the query it is data", "/a?b=%2f", "/a?b=%2F"],
  ["a backslash", "/public/..\\secret", "refused: has a backslash in its path"],
  ["an encoded one", "/public/..%5csecret", "refused: has a backslash in its path"],
  ["NUL", "/a%00b", "refused: has an encoded control character in its path"],
  ["line ends", "/a%0d%0ab", "refused: has an encoded control character in its path"],
  ["DEL", "/a%7Fb", "refused: has an encoded control character in its path"],
  [
    "what is encoded twice",
    "/public/%252e%252e/secret",
    "refused: has a path that is encoded twice",
  ],
  ["by pieces", "/public/%25%32%65/secret", "refused: has a path that is encoded twice"],
  ["a percent sign is one", "/100%25", "/100%25"],
  ["without digits", "/100%", "refused: has a % without two hexadecimal digits"],
  ["of Microsoft's", "/%u002e%u002e/secret", "refused: has a % without two hexadecimal digits"],
  ["in the query", "/a?100%", "refused: has a % without two hexadecimal digits"],
  [
    "an over-long dot",
    "/public/%c0%ae%c0%ae/secret",
    "refused: has bytes in its path that are no UTF-8",
  ],
  [
    "an over-long slash",
    "/public/..%e0%80%afsecret",
    "refused: has bytes in its path that are no UTF-8",
  ],
  [
    "and a longer one",
    "/public/..%f0%80%80%afsecret",
    "refused: has bytes in its path that are no UTF-8",
  ],
  [
    "a parameter that hides dots",
    "/public/..;/secret",
    "refused: has a segment of dots with a parameter",
  ],
  ["with a name", "/public/..;a=b/secret", "refused: has a segment of dots with a parameter"],
  ["encoded", "/public/%2e%2e%3b/secret", "refused: has a segment of dots with a parameter"],
  ["of nothing", "/public/;/../secret", "refused: has a segment of dots with a parameter"],
  ["one of a name is a name's", "/a;b=c/d", "/a;b=c/d"],
  ["a fragment", "/public#/../secret", "refused: has a fragment"],
  ["an encoded one is a letter", "/a%23b", "/a%23b"],
  ["a blank", "/a b", "refused: has a character other than printable ASCII"],
  ["a tab", "/a\tb", "refused: has a character other than printable ASCII"],
  ["a line end", "/a\r\nHost: b", "refused: has a character other than printable ASCII"],
  ["bytes from 0x80 on", "/\u00e9", "refused: has a character other than printable ASCII"],
];

for (const [sentence, target, expected, method] of rows)
  test(`${sentence}: ${JSON.stringify(target)}`, () =>
    assert.equal(shown(target, method), expected));

test("hosts are in lower case, without the connection's own port", () => {
  const hosts: [host: string, port: number | undefined, expected: string | undefined][] = [
    ["A.Example", undefined, "a.example"],
    ["a:80", 80, "a"],
    ["a:080", 80, "a"],
    ["a:81", 80, "a:81"],
    ["a:80", undefined, "a:80"],
    ["[FD00::1]:80", 80, "[fd00::1]"],
    ["a.", 80, "a."],
    ["", 80, undefined],
    ["a:", 80, undefined],
    ["a:123456", 80, undefined],
    ["a b", 80, undefined],
    ["u@a", 80, undefined],
    ["a,b", 80, undefined],
    ["a/b", 80, undefined],
    ["fd00::1", 80, undefined],
    ["a\0", 80, undefined],
  ];
  for (const [host, port, expected] of hosts)
    assert.equal(normalizeHost(host, port), expected, host);
});

const bits = [
  ..."/.?%;\\#*@:ab2eEfF50 ",
  "%2e",
  "%2F",
  "%25",
  "%00",
  "%c0",
  "/../",
  "//",
  "..;",
  "%3b",
  "http://",
];
const randomTarget = (random: Random) =>
  random.pick(["", "/", "http://a"]) +
  Array.from({ length: random.below(12) }, () => random.pick(bits)).join("");

test("a normal form is its own, and has nothing in it that can be read in two ways", () => {
  let normal = 0;
  repeat({ runs: 20_000 }, (random) => {
    const target = randomTarget(random);
    const result = normalizeTarget(target);
    if (!result.ok) {
      assert.notEqual(result.reason, "");
      return;
    }
    normal++;
    assert.equal(shown(result.text), result.text, target);
    const path = result.text.replace(/\?.*/s, "");
    assert.doesNotMatch(path, /\/\/|\/\.{1,2}(\/|$)|%2F|%5C|\\|%2e/, target);
    assert.match(result.text, /^\/[\x21-\x7e]*$/, target);
  });
  assert.ok(normal > 3000, `${normal}`);
});

test("bytes of any kind are a target or are refused", () => {
  repeat({ runs: 3000 }, (random) => {
    const target = Buffer.from(random.bytes(random.below(30))).toString("latin1");
    const result = normalizeTarget(target, random.pick(["GET", "OPTIONS", "CONNECT"]));
    assert.equal(typeof result.ok, "boolean");
  });
});
