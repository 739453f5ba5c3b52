// What an agent keeps of its interfaces on disk, and what it makes of text that is none of its own.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { CiliumNode } from "@tsilium/kube";
import { EniFile, knownOf } from "./known.ts";

const node = {
  metadata: { name: "node-1" },
  spec: {
    ipam: { pool: { "10.1.0.5": { resource: "eni-1" }, "10.1.0.6": { resource: "eni-1" } } },
  },
  status: {
    eni: {
      enis: {
        "eni-1": {
          id: "eni-1",
          ip: "10.1.0.4",
          mac: "06:00:00:00:00:01",
          number: 1,
          subnet: { id: "subnet-1", cidr: "10.1.0.0/24" },
          vpc: { id: "vpc-1", cidrs: ["10.1.0.0/16"] },
          tags: { secret: "not kept to be read" },
        },
      },
    },
  },
} as CiliumNode;

function inFolder(body: (path: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-eni-"));
  try {
    body(join(folder, "eni.json"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const textOf = ({ interfaces, addresses }: ReturnType<typeof knownOf>) => [
  interfaces.map(({ id, number }) => `${id} ${number}`),
  addresses.map(({ address }) => String(address)),
];

test("what was saved is known again, without what is on its way back", () => {
  inFolder((path) => {
    new EniFile(path).save(node, new Set(["10.1.0.6"]));
    assert.deepEqual(textOf(new EniFile(path).load()), [["eni-1 1"], ["10.1.0.5"]]);
  });
});

test("a file that is missing, cut or of something else is as none", () => {
  inFolder((path) => {
    const nothing = [[], []];
    assert.deepEqual(textOf(new EniFile(path).load()), nothing);
    for (const text of ["", "{", "[]", "null", '{"spec":3,"status":"x"}', '{"leaving":{"a":1}}']) {
      writeFileSync(path, text);
      assert.deepEqual(textOf(new EniFile(path).load()), nothing, text);
    }
  });
});

test("no text of a CiliumNode's fields makes an address that is none, or an error", () => {
  const seed = Number(process.env["TSILIUM_SEED"] ?? Date.now() % 1_000_000);
  let state = seed;
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
  const words = [
    "",
    "10.1.0.5",
    "10.1.0.0/24",
    "::1",
    "fd00::/64",
    "06:00:00:00:00:01",
    "x",
    "-1",
    "0.0.0.0/0",
    "10.1.0.4/31",
  ];
  const word = () => words[random(words.length)] ?? "";
  for (let round = 0; round < 500; round++) {
    const enis = Object.fromEntries(
      Array.from({ length: random(4) }, () => [
        word(),
        {
          ip: word(),
          mac: word(),
          number: random(3) === 0 ? Number(word()) : random(400) - 100,
          subnet: { cidr: word() },
          vpc: { cidrs: [word(), word()] },
        },
      ]),
    );
    const pool = Object.fromEntries(
      Array.from({ length: random(4) }, () => [word(), { resource: word() }]),
    );
    const { interfaces, addresses } = knownOf(
      { metadata: {}, spec: { ipam: { pool } }, status: { eni: { enis } } },
      new Set(),
    );
    const about = `seed ${seed}, round ${round}`;
    for (const { number, gateway, subnet } of interfaces) {
      assert.ok(number >= 0 && number <= 200, about);
      assert.ok(subnet.contains(gateway) && gateway.family === 4, about);
    }
    for (const { address } of addresses) assert.equal(address.family, 4, about);
  }
});
