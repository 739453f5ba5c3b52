// Every combination that the configuration allows passes the verifier, well within its million
// instructions; what each costs is printed.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { loadCollection } from "@tsilium/ebpf";
import type { DatapathConfig } from "../../packages/datapath/src/model.ts";
import { configuredObject, hooks } from "./node.ts";
import { standard } from "./world.ts";

/** A tenth of what the kernel allows: room for policy and services. */
const budget = 100_000;

const modes = ["tunnel", "native"] as const;
const families = [
  { enableIpv4: true, enableIpv6: true },
  { enableIpv4: true, enableIpv6: false },
  { enableIpv4: false, enableIpv6: true },
] as const;
const masquerading = [
  { enableIpv4Masquerade: true, enableIpv6Masquerade: true },
  { enableIpv4Masquerade: true, enableIpv6Masquerade: false },
  { enableIpv4Masquerade: false, enableIpv6Masquerade: true },
  { enableIpv4Masquerade: false, enableIpv6Masquerade: false },
] as const;

const combinations: { readonly name: string; readonly config: DatapathConfig }[] = modes.flatMap(
  (routingMode) =>
    families.flatMap((family) =>
      masquerading.map((masquerade) => ({
        name: describeCombination(routingMode, { ...family, ...masquerade }),
        config: { ...standard, routingMode, ...family, ...masquerade },
      })),
    ),
);

function describeCombination(mode: string, flags: Readonly<Record<string, boolean>>): string {
  const on = Object.keys(flags).filter((name) => flags[name]);
  return [mode, ...on.map((name) => name.replace("enable", ""))].join(" ");
}

for (const hook of hooks) {
  describe(hook, () => {
    for (const { name, config } of combinations) {
      test(`loads: ${name}`, (context) => {
        using loaded = loadCollection(configuredObject(hook, config));
        const { verifiedInstructions, jitedLength } = loaded.program(`tsi_${hook}`).info();
        context.diagnostic(`${verifiedInstructions} instructions verified, ${jitedLength} bytes`);
        assert.ok(
          verifiedInstructions < budget,
          `${verifiedInstructions} instructions are over the budget of ${budget}`,
        );
      });
    }
  });
}
