import assert from "node:assert/strict";
import { test } from "node:test";
import { guesses, understood, valuesLike, wordsLike } from "./typing.ts";

const typed: readonly (readonly [string, string])[] = [
  ["pod:shop/web", "pod=shop/web"],
  ["pod=shop/web", "pod=shop/web"],
  ["--to-port 443", "to-port=443"],
  ["-port:53", "not port=53"],
  ["not port 53", "not port=53"],
  ["not.namespace:kube-system", "not namespace=kube-system"],
  ["!verdict:DROPPED", "not verdict=DROPPED"],
  ["label:app=web", "label=app=web"],
  ["label=app=web", "label=app=web"],
  ["ip:fd00::1", "ip=fd00::1"],
  ["POD:a", "pod=a"],
  ["pod:", "pod="],
  ["pod", "text pod"],
  ["app=web", "text app=web"],
  ["-10.0.0.1", "not text 10.0.0.1"],
  ["", "text "],
];
for (const [text, expected] of typed) {
  test(`"${text}" is understood as ${expected}`, () => {
    const found = understood(text);
    const not = (found.kind === "text" ? found.not : found.filter.not) ? "not " : "";
    const what =
      found.kind === "text" ? `text ${found.text}` : `${found.filter.word}=${found.filter.value}`;
    assert.equal(not + what, expected);
  });
}

const first: readonly (readonly [string, string | undefined])[] = [
  ["dropped", "verdict=DROPPED"],
  ["drop", "verdict=DROPPED"],
  ["tcp", "protocol=tcp"],
  ["443", "to-port=443"],
  ["70000", "identity=70000"],
  ["10.0.0.1", "ip=10.0.0.1"],
  ["10.0.0.0/8", "ip=10.0.0.0/8"],
  ["fd00::1", "ip=fd00::1"],
  ["world", "identity=world"],
  ["policy denied", "drop-reason-desc=POLICY_DENIED"],
  ["app=web", "label=app=web"],
  ["shop/web", "pod=shop/web"],
  ["*.example.com", "fqdn=*.example.com"],
  ["shop", "namespace=shop"],
  ["0d9f1b0e-0000-4000-8000-000000000001", "uuid=0d9f1b0e-0000-4000-8000-000000000001"],
  ["", undefined],
];
for (const [text, expected] of first) {
  test(`"${text}" by itself is first taken for ${expected}`, () => {
    const [guess] = guesses(text, false);
    assert.equal(guess && `${guess.word}=${guess.value}`, expected);
  });
}

test("words that begin with what is typed come first", () => {
  assert.deepEqual(wordsLike("port").slice(0, 3), ["port", "from-port", "to-port"]);
  assert.deepEqual(wordsLike("nosuch"), []);
});

test("values of words that are lists are found by a part of them", () => {
  assert.deepEqual(valuesLike("verdict", "tra"), ["TRACED", "TRANSLATED"]);
  assert.ok(valuesLike("drop-reason-desc", "policy")?.includes("POLICY_DENIED"));
  assert.equal(valuesLike("pod", "x"), undefined);
});
