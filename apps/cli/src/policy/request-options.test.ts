import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRequest, TestError } from "@tsilium/policy-test";
import { Command } from "commander";
import { CommandError } from "../failure.ts";
import { type RequestOptions, requestText, withRequest } from "./request-options.ts";

function asked(...words: readonly string[]): unknown {
  const command = withRequest(new Command()).exitOverride();
  command.parse(words, { from: "user" });
  return parseRequest(requestText(command.opts<RequestOptions>()), 80);
}

const rows: [sentence: string, words: readonly string[], request: unknown][] = [
  ["nothing is asked without a request", [], undefined],
  [
    "an HTTP request with all that it has",
    ["--http", "GET /a?b", "--host", "x:80", "--header", "A: 1", "--header", "B:2", "--sni", "x"],
    {
      kind: "http",
      request: {
        method: "GET",
        target: "/a?b",
        headers: [
          ["A", "1"],
          ["B", "2"],
        ],
        host: "x:80",
        port: 80,
        serverName: "x",
      },
    },
  ],
  ["a question", ["--dns", "a.b"], { kind: "dns", request: { name: "a.b" } }],
  ["a handshake", ["--sni", "a.b"], { kind: "sni", request: { serverName: "a.b" } }],
  [
    "a Kafka request",
    ["--kafka", "produce orders"],
    {
      kind: "kafka",
      request: { apiKey: 0, apiVersion: 0, clientId: undefined, topics: ["orders"] },
    },
  ],
];

for (const [sentence, words, request] of rows)
  test(sentence, () => assert.deepEqual(asked(...words), request));

test("what is no request is refused with a sentence", () => {
  assert.throws(() => asked("--host", "x"), CommandError);
  assert.throws(() => asked("--header", "a: b"), /name it with --http/);
  assert.throws(() => asked("--http", "GET"), /--http takes a method and a path/);
  assert.throws(() => asked("--http", "GET /", "--dns", "a"), TestError);
  assert.throws(() => asked("--http", "GET /", "--header", "a"), /no "name: value"/);
});
