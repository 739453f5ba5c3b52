// The tsilium command line. Each command lives in commands/ and loads what it needs when it runs, so that
// `tsilium --help` and completion stay quick.
import { Command } from "commander";
import { registerLabCommands } from "../../lab/src/commands.ts";
import { registerBpfCommands } from "./commands/bpf.ts";
import { registerCniCommands } from "./commands/cni.ts";
import { registerCompletion } from "./commands/completion.ts";
import { registerConfig } from "./commands/config.ts";
import { registerEndpointCommands } from "./commands/endpoint.ts";
import { registerFqdnCommands } from "./commands/fqdn.ts";
import { registerHealthCommands } from "./commands/health.ts";
import { registerIdentityCommands } from "./commands/identity.ts";
import { registerIpCommands } from "./commands/ip.ts";
import { registerRedirectCommands } from "./commands/lrp.ts";
import { registerMonitor } from "./commands/monitor.ts";
import { registerNodeCommands } from "./commands/node.ts";
import { registerPolicyCommands } from "./commands/policy.ts";
import { registerServiceCommands } from "./commands/service.ts";
import { registerStatus } from "./commands/status.ts";
import { registerSysdump } from "./commands/sysdump.ts";
import { registerVersion } from "./commands/version.ts";
import { explainFailure } from "./failure.ts";
import { pointToHelp, visibleGlobalOptions } from "./help.ts";

const program = new Command("tsilium")
  .description(
    "Tsilium: Kubernetes networking by eBPF, and a whole cluster on one machine (tsilium lab)",
  )
  .option("--node <name>", "talk to this node's agent (in a lab: node-1, node-2, ...)")
  .option("--socket <path>", "talk to the agent at this unix socket")
  .enablePositionalOptions()
  .configureHelp({ sortSubcommands: true, showGlobalOptions: true, visibleGlobalOptions });

registerStatus(program);
registerEndpointCommands(program);
registerIdentityCommands(program);
registerIpCommands(program);
registerNodeCommands(program);
registerHealthCommands(program);
registerFqdnCommands(program);
registerServiceCommands(program);
registerRedirectCommands(program);
registerBpfCommands(program);
registerMonitor(program);
registerPolicyCommands(program);
registerConfig(program);
registerCniCommands(program);
registerLabCommands(program);
registerSysdump(program);
registerVersion(program);
registerCompletion(program);

pointToHelp(program);

// A reader that closes early (`tsilium monitor | head`) ends the command quietly.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  console.error(explainFailure(error));
  process.exitCode = 1;
}
