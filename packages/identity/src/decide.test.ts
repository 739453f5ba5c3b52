import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@tsilium/net";
import { repeat } from "@tsilium/testkit";
import { candidateNumbers, identityOf, objectOf, winnerOf } from "./decide.ts";
import { IdentityError } from "./errors.ts";

const web = Labels.parse(["k8s:app=web", "k8s:io.kubernetes.pod.namespace=shop"]);

test("every node tries the same numbers for the same labels, each allocatable number once", () => {
  const numbers = [...candidateNumbers(web)];
  assert.deepEqual(numbers, [...candidateNumbers(Labels.parse(web.toArray().reverse()))]);
  assert.equal(new Set(numbers).size, 65_535 - 256 + 1);
  assert.equal(Math.min(...numbers), 256);
  assert.equal(Math.max(...numbers), 65_535);
  assert.notEqual(candidateNumbers(Labels.empty).next().value, numbers[0]);
});

test("of several numbers for the same labels the lowest counts", () => {
  const identities = [700, 300, 500].map((id) => ({ id, labels: web, reserved: false }));
  assert.equal(winnerOf(identities)?.id, 300);
  assert.equal(winnerOf([]), undefined);
});

test("an identity comes back from its object as it went in", () => {
  repeat({ runs: 50 }, (random) => {
    const labels = Labels.of(
      Array.from({ length: random.below(6) }, (_, index) => ({
        source: random.pick(["k8s", "reserved", "container"]),
        key: `${random.pick(["app", "io.cilium.k8s.policy.cluster", "a/b.c"])}${index}`,
        value: random.pick(["", "x", "x=y", "a:b"]),
      })),
    );
    const identity = { id: 256 + random.below(60_000), labels, reserved: false };
    const back = identityOf(JSON.parse(JSON.stringify(objectOf(identity))));
    assert.equal(back.id, identity.id);
    assert.equal(back.labels.key, labels.key);
  });
});

test("an identity's object can be selected by the pods' own labels and namespace", () => {
  const labels = web.with(Labels.parse(["k8s:io.cilium.k8s.policy.cluster=default"]));
  assert.deepEqual(objectOf({ id: 300, labels, reserved: false }), {
    metadata: { name: "300", labels: { app: "web", "io.kubernetes.pod.namespace": "shop" } },
    "security-labels": {
      "k8s:app": "web",
      "k8s:io.cilium.k8s.policy.cluster": "default",
      "k8s:io.kubernetes.pod.namespace": "shop",
    },
  });
});

test("an object whose name is no cluster-wide number is no identity", () => {
  for (const name of ["", "abc", "0", "5", "255", "65536", "1e3", "0300", "-1", "16777217"])
    assert.throws(
      () => identityOf({ metadata: { name }, "security-labels": {} }),
      (error: unknown) => error instanceof IdentityError && error.code === "identity_invalid",
    );
});
