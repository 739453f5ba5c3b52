// `hubble observe [flows|agent-events|debug-events]`: what happened, and what happens.
import type { Command } from "commander";
import { addConfigOptions, type Context } from "./context.ts";
import {
  addFilterOptions,
  addFlowFormatOptions,
  addFormatOptions,
  addOtherOptions,
  addSelectorOptions,
  type ObserveOptions,
} from "./observe-options.ts";

const examples = `
Filters: of one flag's values any has to match, of different flags all; --not turns the next filter around.

Examples:
  hubble observe --follow --verdict DROPPED
  hubble observe -n shop --protocol http --http-status 5+
  hubble observe --from-pod shop/web --not --to-label k8s-app=kube-dns --since 10m
  hubble observe --since 1h -o jsonpb > flows.json
  hubble observe --input-file flows.json --to-port 5432 -o dict`;

export function registerObserve(program: Command, context: Context): void {
  const observe = program
    .command("observe")
    .description("flows: what happened, and what happens")
    .enablePositionalOptions();
  const flows = observe.command("flows").description("flows, as observe by itself");
  for (const command of [observe, flows]) withFlows(command, context);
  withEvents(
    observe
      .command("agent-events")
      .description("what agents did: pods, policies and addresses that came and went"),
    context,
  );
  withEvents(
    observe.command("debug-events").description("what the datapath says when it is debugged"),
    context,
  );
}

function withFlows(command: Command, context: Context): void {
  addSelectorOptions(command);
  addFilterOptions(command, context);
  addConfigOptions(command, context, "Raw filters");
  addFormatOptions(command, context);
  addFlowFormatOptions(command);
  addConfigOptions(command, context, "Server");
  addOtherOptions(command);
  addConfigOptions(command, context, "Global")
    .addHelpText("after", examples)
    .action(async (_options: unknown, self: Command) => {
      const { observeFlows } = await import("../observe/flows.ts");
      await observeFlows(self.optsWithGlobals<ObserveOptions>(), context);
    });
}

function withEvents(command: Command, context: Context): void {
  addSelectorOptions(command);
  addFormatOptions(command, context);
  addConfigOptions(command, context, "Server");
  addConfigOptions(command, context, "Global").action(async (_options: unknown, self: Command) => {
    const { observeEvents } = await import("../observe/events.ts");
    await observeEvents(self.name(), self.optsWithGlobals<ObserveOptions>(), context);
  });
}
