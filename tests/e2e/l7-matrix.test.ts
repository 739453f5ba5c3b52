// Every field of L7 rules with real clients and servers: what is allowed and what is not, and the flows that are seen of it.
//
//   node-1: client, near     node-2: far     (l7/matrix-lab.ts; rows: l7/*-groups.ts)
import { after, before, describe, test } from "node:test";
import { Lab, soak } from "./harness.ts";
import { deniedNames, dnsGroups } from "./l7/dns-groups.ts";
import { httpGroups } from "./l7/http-groups.ts";
import { kafkaGroups } from "./l7/kafka-groups.ts";
import { MatrixLab, sides, type Side } from "./l7/matrix-lab.ts";
import { Paths, type PathsOptions } from "./l7/paths.ts";
import type { Group } from "./l7/rows.ts";
import { assertRows } from "./l7/run-rows.ts";
import { tlsGroups } from "./l7/tls-groups.ts";
import { LabObjects } from "./lab-objects.ts";
import { nativeRouting } from "./services/service-lab.ts";

const servers = [...httpGroups, ...tlsGroups];

describe("with a tunnel, services at sockets", () => {
  let matrix: MatrixLab;
  before(async () => {
    matrix = await MatrixLab.up("l7m");
  });
  after(() => matrix?.[Symbol.asyncDispose]());

  const groupTests = (groups: readonly Group[], role: "server" | "broker") => {
    for (const side of Object.keys(sides) as Side[])
      for (const { name, port, rows } of groups)
        test(`${name}, at ${side}`, () => {
          const { node, family, [role]: server } = sides[side];
          const policy = side === "ingress" ? name : `${name}-out`;
          return assertRows(matrix, {
            rows,
            to: matrix.target(server, port, family),
            side,
            node,
            policies: { allowing: [policy], denying: [policy] },
          });
        });
  };
  groupTests(servers, "server");
  groupTests(kafkaGroups, "broker");

  const names = dnsGroups.map(({ name }) => name).toSorted();
  const askDns = (rows: Group["rows"], allowing: readonly string[], family: 4 | 6) => {
    const to = matrix.target("kube-system/kube-dns", 53, family);
    const policies = { allowing, denying: names };
    return assertRows(matrix, { rows, to, side: "egress", node: "node-1", policies });
  };
  for (const family of [4, 6] as const) {
    for (const { name, rows } of dnsGroups)
      test(`${name}, IPv${family}`, () => askDns(rows, [name], family));
    test(`names that no rule allows, IPv${family}`, () => askDns(deniedNames, [], family));
  }

  test("nothing was told later, or again", () => {
    for (const check of matrix.checks) check();
  });

  pathTests(() => ({ lab: matrix.lab, objects: matrix.objects, refusal: "REFUSED" }));
});

const modes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "with native routing, services per packet": { ...nativeRouting, "bpf-lb-sock": "false" },
  ...(soak
    ? {
        "with a tunnel, services per packet": { "bpf-lb-sock": "false" },
        "with native routing, services at sockets": nativeRouting,
      }
    : {}),
};
for (const [mode, settings] of Object.entries(modes))
  describe(mode, () => {
    let lab: Lab;
    let objects: LabObjects;
    before(async () => {
      const set = { ...settings, "tofqdns-dns-reject-response-code": "nameError" };
      lab = await Lab.up({ name: `t${process.pid}l7n`, set });
      objects = await LabObjects.of(lab);
    });
    after(async () => {
      objects?.[Symbol.dispose]();
      await lab?.[Symbol.asyncDispose]();
    });
    pathTests(() => ({ lab, objects, refusal: "NXDOMAIN" }));
  });

function pathTests(options: () => PathsOptions): void {
  describe("on every way", () => {
    let ways: Paths;
    before(async () => {
      ways = await Paths.set(options());
    });
    after(() => ways?.[Symbol.asyncDispose]());
    for (const enforced of ["ingress", "egress", "both"] as const)
      test(`HTTP, enforced at ${enforced}`, () => ways.assertHttp(enforced));
    test("names", () => ways.assertDns());
  });
}
