import assert from "node:assert/strict";
import { test } from "node:test";
import { secretCopyName, type SecretRef } from "@tsilium/policy/model.ts";
import { decideCopies } from "./decide.ts";
import { secretKey, type Source } from "./model.ts";

const home = "cilium-secrets";
const refOf = (key: string): SecretRef => {
  const [namespace = "", name = ""] = key.split("/");
  return { namespace, name };
};
const long = "n".repeat(64);

/** "there", "there since 2024", "of type T", "gone", "unknown", or why it cannot be read. */
function sourceOf(word = "gone"): Source {
  const [, createdAt = "2025"] = /^there since (\d+)$/.exec(word) ?? [];
  const [, type = "Opaque"] = /^of type (\S+)$/.exec(word) ?? [];
  if (/^(there|of type)/.test(word))
    return { kind: "present", createdAt, content: { type, data: { token: "AA==" } } };
  if (word === "gone") return { kind: "absent" };
  return word === "unknown" ? { kind: "unknown" } : { kind: "unreadable", reason: word };
}

/** what it is about, Secrets that policies name as they are found, whose copies are there, what is to be */
const rows: readonly (readonly [
  what: string,
  sources: Readonly<Record<string, string>>,
  owners: readonly string[],
  expected: readonly string[],
])[] = [
  ["no Secret is named: none is copied", {}, ["shop/web"], []],
  ["a Secret gets a copy", { "shop/web": "there" }, [], ["shop-web: shop/web"]],
  ["a copy stays", { "shop/web": "there" }, ["shop/web"], ["shop-web: shop/web"]],
  [
    "copies come in one order",
    { "b/x": "there", "a/y": "there", "a/x": "there" },
    [],
    ["a-x: a/x", "a-y: a/y", "b-x: b/x"],
  ],
  ["what is where agents read needs no copy", { "cilium-secrets/x": "there" }, [], []],
  [
    "of a Secret that is gone the copy goes",
    { "shop/web": "gone" },
    ["shop/web"],
    ["! shop/web missing: is not there"],
  ],
  ["of a Secret not looked at yet nothing is copied", { "shop/web": "unknown" }, [], []],
  [
    "nor is its copy of earlier times removed",
    { "shop/web": "unknown" },
    ["shop/web"],
    ["shop-web: as it is (shop/web)"],
  ],
  [
    "a Secret that cannot be read is told of",
    { "shop/web": "forbidden" },
    [],
    ["! shop/web unreadable: forbidden"],
  ],
  [
    "and its copy stays",
    { "shop/web": "forbidden" },
    ["shop/web"],
    ["shop-web: as it is (shop/web)", "! shop/web unreadable: forbidden"],
  ],
  [
    "of two with one copy name the older gets it",
    { "a/b-c": "there since 2024", "a-b/c": "there since 2023" },
    [],
    [
      "a-b-c: a-b/c",
      "! a/b-c conflict: its copy would be cilium-secrets/a-b-c, which is the copy of a-b/c",
    ],
  ],
  [
    "of two of one age the first by name",
    { "a/b-c": "there", "a-b/c": "there" },
    [],
    [
      "a-b-c: a-b/c",
      "! a/b-c conflict: its copy would be cilium-secrets/a-b-c, which is the copy of a-b/c",
    ],
  ],
  [
    "who has it keeps it, though another is older",
    { "a/b-c": "there since 2024", "a-b/c": "there since 2023" },
    ["a/b-c"],
    [
      "a-b-c: a/b-c",
      "! a-b/c conflict: its copy would be cilium-secrets/a-b-c, which is the copy of a/b-c",
    ],
  ],
  [
    "who has it and cannot be read keeps it",
    { "a/b-c": "forbidden", "a-b/c": "there" },
    ["a/b-c"],
    [
      "a-b-c: as it is (a/b-c)",
      "! a/b-c unreadable: forbidden",
      "! a-b/c conflict: its copy would be cilium-secrets/a-b-c, which is the copy of a/b-c",
    ],
  ],
  [
    "who cannot be read and has none does not stand in the other's way",
    { "a/b-c": "forbidden", "a-b/c": "there" },
    [],
    ["a-b-c: a-b/c", "! a/b-c unreadable: forbidden"],
  ],
  [
    "when its Secret is gone the other gets it",
    { "a/b-c": "gone", "a-b/c": "there" },
    ["a/b-c"],
    ["a-b-c: a-b/c", "! a/b-c missing: is not there"],
  ],
  ["and when no policy names it", { "a-b/c": "there" }, ["a/b-c"], ["a-b-c: a-b/c"]],
  [
    "what opens the API server is not copied",
    {
      "kube-system/admin": "of type kubernetes.io/service-account-token",
      "kube-system/join": "of type bootstrap.kubernetes.io/token",
      "shop/tls": "of type kubernetes.io/tls",
    },
    ["kube-system/admin"],
    [
      "shop-tls: shop/tls",
      "! kube-system/admin refused: is of type kubernetes.io/service-account-token",
      "! kube-system/join refused: is of type bootstrap.kubernetes.io/token",
    ],
  ],
  [
    "a name that is no label's value has no copy",
    { [`shop/${long}`]: "there" },
    [],
    [`! shop/${long} refused: its name is too long for a copy: at most 63 characters`],
  ],
];

for (const [what, sources, owners, expected] of rows)
  test(what, () => {
    const named = Object.keys(sources).map(refOf);
    const { copies, problems } = decideCopies({
      home,
      // Several policies may name one.
      named: [...named, ...named],
      source: (ref) => sourceOf(sources[secretKey(ref)]),
      owners: new Map(owners.map((key) => [secretCopyName(refOf(key)), refOf(key)])),
    });
    assert.deepEqual(
      [
        ...copies.map(({ name, owner, content }) =>
          content ? `${name}: ${secretKey(owner)}` : `${name}: as it is (${secretKey(owner)})`,
        ),
        ...problems.map(
          ({ source, reason, message }) => `! ${secretKey(source)} ${reason}: ${message}`,
        ),
      ],
      expected,
    );
  });
