import assert from "node:assert/strict";
import { test } from "node:test";
import type { Policy } from "../model.ts";
import {
  allow,
  cidr,
  deny,
  identity,
  pass,
  pods,
  policy,
  ports,
  subject,
} from "./testing/build.ts";
import { http } from "./testing/l7.ts";
import { Scene } from "./testing/scene.ts";

const web = { peers: [pods("app=web")] };
const lax = { isolates: false };
const stranger = 999;

const rows: readonly (readonly [name: string, policies: readonly Policy[], expected: string])[] = [
  ["a deny of labels", [policy("p", [deny(web)], lax)], "unknown peer"],
  [
    "a deny of labels that nobody has yet",
    [policy("p", [deny({ peers: [pods("app=new")] })], lax)],
    "unknown peer",
  ],
  [
    "a deny of addresses outside",
    [policy("p", [deny({ peers: [cidr("10.0.0.0/8")] })], lax)],
    "unknown peer",
  ],
  [
    "an admin pass of labels over an accept",
    [policy("p", [pass(web), allow()], { tier: "admin" })],
    "unknown peer",
  ],
  ["a baseline deny of labels", [policy("p", [deny(web)], { tier: "baseline" })], "unknown peer"],
  [
    "a deny of a peer's named port",
    [policy("p", [deny({ direction: "egress", ports: ports("http") })], lax)],
    "unknown peer",
  ],
  [
    "a deny of a named port of whoever has an address",
    [
      policy(
        "p",
        [
          deny({
            direction: "egress",
            peers: [cidr("192.0.2.0/24", { scope: "any" })],
            ports: ports("http"),
          }),
        ],
        lax,
      ),
    ],
    "unknown peer",
  ],
  [
    "a deny of everybody",
    [policy("p", [deny({ ports: ports("81") })], lax)],
    "allow by no policy denies it",
  ],
  [
    "a deny of whoever has an address",
    [policy("p", [deny({ peers: [cidr("10.0.0.0/8", { scope: "any" })] })], lax)],
    "allow by no policy denies it",
  ],
  ["allows alone", [policy("p", [allow(web), allow({ ports: ports("80") })])], "allow by p[1]"],
  [
    "a deny of labels where strangers get nowhere anyway",
    [policy("p", [allow(web), deny({ peers: [pods("app=api")] })])],
    "deny by default of p",
  ],
  [
    "L7 rules of labels beside a plain allow of everybody",
    [policy("p", [allow({ ...web, ports: ports("80"), l7: http(["/a"]) }), allow()])],
    "unknown peer",
  ],
  [
    "L7 rules of labels where nobody is isolated",
    [policy("p", [allow({ ...web, ports: ports("80"), l7: http(["/a"]) })], lax)],
    "unknown peer",
  ],
  [
    "L7 rules of labels beside L7 rules of everybody: whoever is known may more",
    [
      policy("p", [
        allow({ ...web, ports: ports("80"), l7: http(["/a"]) }),
        allow({ ports: ports("80"), l7: http(["/b"]) }),
      ]),
    ],
    "http by p[1] /b; deny by p[1]",
  ],
  [
    "L7 rules of labels in audit mode",
    [
      policy("p", [allow({ ...web, ports: ports("80"), l7: http(["/a"]) })], {
        ...lax,
        enforcement: "audit",
      }),
    ],
    "allow by no policy denies it",
  ],
  [
    "a deny of labels in audit mode",
    [policy("p", [deny(web)], { ...lax, enforcement: "audit" })],
    "allow by no policy denies it",
  ],
];

for (const [name, policies, expected] of rows)
  test(`a peer that is not known yet and ${name}: ${expected}`, () => {
    const scene = new Scene({ policies });
    const direction = policies[0]?.specs[0]?.rules[0]?.direction ?? "ingress";
    assert.equal(scene.ask({ peer: stranger, direction }), expected);
  });

test("of a pod in audit mode nobody is refused for not being known", () => {
  const policies = [policy("p", [deny(web)], lax)];
  const scene = new Scene({ policies, subject: subject(1, ["app=db"], { audit: true }) });
  assert.equal(scene.ask({ peer: stranger }), "allow by no policy denies it");
});

test("a peer is refused until it is known, and then judged by its labels", () => {
  const scene = new Scene({ policies: [policy("p", [deny(web), allow({ peers: [pods()] })])] });
  assert.equal(scene.ask({ peer: 400 }), "unknown peer");
  scene.node.compiler.setIdentity(identity(400, ["app=api"]));
  scene.node.commit();
  assert.equal(scene.ask({ peer: 400 }), "allow by p[1]");
  scene.node.compiler.setIdentity(identity(401, ["app=web"]));
  scene.node.commit();
  assert.equal(scene.ask({ peer: 401 }), "deny by p[0]");
  scene.node.compiler.deleteIdentity(401);
  scene.node.commit();
  assert.equal(scene.ask({ peer: 401 }), "unknown peer");
});
