// Every combination that the configuration allows passes the verifier, well within its million
// instructions; what each costs is printed. Of combinations that differ in nothing that a program reads, one is loaded.
import assert from "node:assert/strict";
import { release } from "node:os";
import { describe, test, type TestContext } from "node:test";
import { type CollectionSpec, loadCollection, type Program } from "@tsilium/ebpf";
import type { DatapathConfig, ServiceConfig } from "../../packages/datapath/src/model.ts";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { configuredObject, hooks } from "./node.ts";
import { standard } from "./world.ts";

/**
 * A quarter of what the kernel allows, of which the largest takes 95,000; more where the verifier finds fewer states that it
 * knows: in Linux 6.1 from_container comes to 327,000, from_netdev with all of services to 200,000.
 */
const budget = isOlderThan(6, 6) ? 400_000 : 250_000;

function isOlderThan(major: number, minor: number): boolean {
  const [ours = 0, oursMinor = 0] = release().split(".").map(Number);
  return ours < major || (ours === major && oursMinor < minor);
}

const modes = ["tunnel", "native"] as const;
const families = [
  { enableIpv4: true, enableIpv6: true },
  { enableIpv4: true, enableIpv6: false },
  { enableIpv4: false, enableIpv6: true },
] as const;
const masquerading = [
  { enableIpv4Masquerade: true, enableIpv6Masquerade: true },
  { enableIpv4Masquerade: true, enableIpv6Masquerade: true, ipMasqAgent: true },
  { enableIpv4Masquerade: true, enableIpv6Masquerade: false },
  { enableIpv4Masquerade: false, enableIpv6Masquerade: true },
  { enableIpv4Masquerade: false, enableIpv6Masquerade: false },
] as const;
const dispatches = { tunnel: ["none", "opt"], native: ["none", "opt", "ipip"] } as const;

function servicesOf(mode: (typeof modes)[number]): Partial<ServiceConfig>[] {
  const withNodePort = dispatches[mode].flatMap((dsr) =>
    [false, true].map((externalClusterIp) => ({ nodePort: true, dsr, externalClusterIp })),
  );
  return [{ nodePort: false }, ...withNodePort];
}

type Combination = { readonly name: string; readonly config: DatapathConfig };

const withProxies: readonly Combination[] = modes.flatMap((routingMode) =>
  families.flatMap((family) =>
    masquerading.flatMap((masquerade) =>
      servicesOf(routingMode).map((services) => ({
        name: describeCombination(routingMode, { ...family, ...masquerade, ...services }),
        config: {
          ...standard,
          routingMode,
          l7Proxy: true,
          ...family,
          ...masquerade,
          services: { ...plainServices, ...services },
        },
      })),
    ),
  ),
);

const combinations: readonly Combination[] = [
  ...withProxies,
  ...withProxies
    .filter(({ config }) => config.enableIpv4 && config.enableIpv6)
    .map(({ name, config }) => ({
      name: `${name}, no proxies`,
      config: { ...config, l7Proxy: false },
    })),
];

function describeCombination(
  mode: string,
  {
    dsr = "none",
    ...flags
  }: Readonly<Record<string, unknown>> & Pick<Partial<ServiceConfig>, "dsr">,
): string {
  const on = Object.keys(flags).filter((name) => flags[name]);
  const direct = dsr === "none" ? [] : [`dsr-${dsr}`];
  return [mode, ...on.map((name) => name.replace("enable", "")), ...direct].join(" ");
}

/** The values of all that an object's programs read of their constants. */
function fingerprint(spec: CollectionSpec): string {
  const read = new Set(
    Object.values(spec.programs).flatMap(({ references }) =>
      references.flatMap(({ map, valueOffset }) => (map === ".rodata" ? [valueOffset] : [])),
    ),
  );
  const data = spec.maps[".rodata"]?.data ?? new Uint8Array();
  return Object.values(spec.variables)
    .filter(({ offset, size }) => [...read].some((at = -1) => at >= offset && at < offset + size))
    .map(({ name, offset, size }) => `${name}=${data.subarray(offset, offset + size)}`)
    .join(" ");
}

function checkCost(context: TestContext, program: Program): void {
  const { verifiedInstructions, jitedLength } = program.info();
  context.diagnostic(
    `${program.name}: ${verifiedInstructions} instructions verified, ${jitedLength} bytes`,
  );
  assert.ok(
    verifiedInstructions < budget,
    `${verifiedInstructions} instructions are over the budget of ${budget}`,
  );
}

for (const hook of hooks) {
  describe(hook, () => {
    const loaded = new Set<string>();
    for (const { name, config } of combinations) {
      const spec = configuredObject(hook, config);
      const print = fingerprint(spec);
      if (loaded.has(print)) continue;
      loaded.add(print);
      test(`loads: ${name}`, (context) => {
        using collection = loadCollection(spec);
        checkCost(context, collection.program(`tsi_${hook}`));
      });
    }
  });
}

describe("socket", () => {
  for (const socketLb of ["all", "host"] as const)
    test(`loads: ${socketLb}`, (context) => {
      const services = { ...plainServices, socketLb, bindProtection: true };
      using collection = loadCollection(configuredObject("socket", { ...standard, services }));
      const programs = Object.values(collection.programs);
      assert.equal(programs.length, 10);
      for (const program of programs) checkCost(context, program);
    });
});
