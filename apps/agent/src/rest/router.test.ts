import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "./error.ts";
import { matchRoute, type Route } from "./router.ts";

const answer = () => ({ status: 200 });
const routes: Route[] = [
  { method: "GET", path: "/v1/endpoint", summary: "", responses: {}, handle: answer },
  { method: "GET", path: "/v1/endpoint/{id}", summary: "", responses: {}, handle: answer },
  { method: "POST", path: "/v1/cni", summary: "", responses: {}, handle: answer },
  {
    method: "GET",
    path: "/v1/barrier",
    summary: "",
    parameters: {
      resourceVersion: { in: "query", description: "", required: true, schema: {} },
      timeout: { in: "query", description: "", schema: {} },
    },
    responses: {},
    handle: answer,
  },
];

function outcome(method: string, target: string): string {
  try {
    const { route, parameters } = matchRoute(routes, method, target);
    return `${route.path} ${JSON.stringify(parameters)}`;
  } catch (error) {
    assert.ok(error instanceof ApiError);
    return `${error.status} ${error.message}`;
  }
}

const rows: readonly (readonly [string, string, string])[] = [
  ["GET", "/v1/endpoint", "/v1/endpoint {}"],
  ["GET", "/v1/endpoint/7", '/v1/endpoint/{id} {"id":"7"}'],
  ["GET", "/v1/endpoint/a%2Fb", '/v1/endpoint/{id} {"id":"a/b"}'],
  ["GET", "/v1/endpoint/%zz", '400 "%zz" is not percent-encoded text'],
  ["GET", "/v1/endpoint/7/log", "404 nothing lives at /v1/endpoint/7/log"],
  ["POST", "/v1/endpoint", "405 /v1/endpoint takes GET, not POST"],
  ["POST", "/v1/cni", "/v1/cni {}"],
  ["GET", "/v1/barrier", '400 /v1/barrier needs the parameter "resourceVersion"'],
  ["GET", "/v1/barrier?resourceVersion=9", '/v1/barrier {"resourceVersion":"9"}'],
  ["GET", "/v1/barrier?resourceVersion=9&x=1", '400 /v1/barrier has no parameter "x"'],
  ["GET", "http://elsewhere/", "400 the target is no path"],
  ["GET", "*", "400 the target is no path"],
];

for (const [method, target, expected] of rows) {
  test(`${method} ${target} leads to ${expected}`, () => {
    assert.equal(outcome(method, target), expected);
  });
}
