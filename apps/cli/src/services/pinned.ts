// Services in the kernel by the pins of a node, as commands read them.
import type { PinnedMaps } from "@tsilium/datapath";
import type { Command } from "commander";
import { agentContext } from "../context.ts";
import {
  backendAddress,
  frontendAddress,
  type FrontendView,
  frontendViews,
} from "./kernel-frontends.ts";

export type Services = PinnedMaps["services"];

/** Of the node that the command names. @throws DatapathError not_running */
export async function openServices(command: Command): Promise<Services> {
  const { openMaps } = await import("@tsilium/datapath");
  return openMaps({ bpffs: agentContext(command).bpffs }).services;
}

export function viewsOf(services: Services): FrontendView[] {
  return frontendViews({
    frontends: services.frontends(),
    sets: services.sets(),
    backends: services.backends(),
  });
}

/** Addresses by number. */
export function textsOf(services: Services) {
  return {
    frontends: new Map(services.frontends().map((row) => [row.id, frontendAddress(row)])),
    backends: new Map(services.backends().map((row) => [row.id, backendAddress(row)])),
  };
}

export type Texts = ReturnType<typeof textsOf>;
