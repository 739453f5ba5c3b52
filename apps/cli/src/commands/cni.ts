// `tsilium cni install|uninstall`: the installer by hand; the agent does the same by itself.
import { join } from "node:path";
import { projectRoot } from "@tsilium/syscall";
import type { Command } from "commander";
import { installCni, uninstallCni } from "../../../cni/src/installer.ts";

type InstallOptions = { binDir: string; confDir: string; runDir: string; exclusive: boolean };

export function registerCniCommands(program: Command): void {
  const cni = program
    .command("cni")
    .description("put the CNI plugin where the container runtime looks");
  cni
    .command("install")
    .description("copy the plugin and write its configuration")
    .option("--bin-dir <folder>", "where the runtime finds plugins", "/opt/cni/bin")
    .option("--conf-dir <folder>", "where the runtime finds configurations", "/etc/cni/net.d")
    .option("--run-dir <folder>", "the agent's run-dir", "/var/run/tsilium")
    .option("--no-exclusive", "leave other configurations in place")
    .action(({ binDir, confDir, runDir, exclusive }: InstallOptions) => {
      installCni({
        plugin: join(projectRoot(), "dist/bin/tsilium-cni"),
        binDir,
        confDir,
        agentSocket: join(runDir, "tsilium.sock"),
        deleteQueue: join(runDir, "deleteQueue"),
        exclusive,
      });
      console.log(`installed ${join(binDir, "tsilium-cni")} and its configuration in ${confDir}`);
    });
  cni
    .command("uninstall")
    .description(
      "take the configuration away and put others back; the plugin stays for running pods' DEL",
    )
    .option("--conf-dir <folder>", "where the runtime finds configurations", "/etc/cni/net.d")
    .action(({ confDir }: { confDir: string }) => {
      uninstallCni(confDir);
      console.log(`the configuration is gone from ${confDir}`);
    });
}
