import assert from "node:assert/strict";
import { test } from "node:test";
import { Address } from "@tsilium/net";
import { rcodes, types } from "./message.ts";
import { parseName } from "./name.ts";
import { answerFromZone, readZone, type ZoneRecord } from "./world-zone.ts";

const zone: ZoneRecord[] = [
  { name: "api.example.org", type: "A", data: "203.0.113.20", ttl: 60 },
  { name: "www.example.org", type: "CNAME", data: "api.example.org" },
  { name: "*.example.org", type: "A", data: "203.0.113.21" },
  { name: "loop.test", type: "CNAME", data: "loop.test" },
  ...readZone("/nonexistent/zone.json"),
];

const cases: readonly (readonly [name: string, type: keyof typeof types, answer: string])[] = [
  ["world.test", "A", "203.0.113.10"],
  ["a.b.world.test", "AAAA", "2001:db8:113::10"],
  ["api.example.org", "A", "203.0.113.20"],
  ["api.example.org", "AAAA", ""],
  ["www.example.org", "A", "CNAME 203.0.113.20"],
  ["anything.else.example.org", "A", "203.0.113.21"],
  ["example.org", "A", "NXDOMAIN"],
  ["nosuch.test", "A", "NXDOMAIN"],
];

for (const [name, type, answer] of cases) {
  test(`the world says ${answer || "nothing"} about ${type} of ${name}`, () => {
    const found = answerFromZone({ name: parseName(name), type: types[type], class: 1 }, zone);
    const texts = found.answers.map((record) =>
      "address" in record ? Address.fromBytes(record.address).toString() : record.type,
    );
    assert.equal(found.rcode === rcodes.noSuchName ? "NXDOMAIN" : texts.join(" "), answer);
  });
}

test("a CNAME that leads to itself ends", () => {
  const found = answerFromZone({ name: ["loop", "test"], type: types.A, class: 1 }, zone);
  assert.ok(found.answers.length > 0);
});
