// Puts the CNI plugin where the runtime looks, once the agent serves it.
import { join } from "node:path";
import { projectRoot } from "@tsilium/syscall";
import { installCni, installPrograms, keepCniInstalled } from "../../../cni/src/installer.ts";
import type { AgentConfig } from "../config/keys.ts";
import type { PartHealth } from "@tsilium/runtime";

/** Installs and keeps installed until the signal fires; nothing where the configuration names no folders. */
export function installPlugin(config: AgentConfig, signal: AbortSignal): Omit<PartHealth, "name"> {
  const confDir = config["cni-conf-dir"];
  const binDir = config["cni-bin-dir"];
  if (confDir === "" || binDir === "") {
    return { state: "disabled", message: "cni-conf-dir and cni-bin-dir are not set" };
  }
  const installation = {
    plugin: config["cni-plugin"] || join(projectRoot(), "dist/bin/tsilium-cni"),
    binDir,
    confDir,
    agentSocket: join(config["run-dir"], "tsilium.sock"),
    deleteQueue: join(config["run-dir"], "deleteQueue"),
    exclusive: config["cni-exclusive"],
  };
  if (config["cni-chaining-mode"] !== "none" || config.ipam === "delegated-plugin") {
    // Which plugin comes before ours, or hands out addresses, is the administrator's to say.
    installPrograms(installation);
    return {
      state: "ok",
      message: `the plugin is in ${binDir}; ${confDir} is the administrator's`,
    };
  }
  installCni(installation);
  keepCniInstalled(installation, signal);
  return { state: "ok", message: `installed in ${confDir}` };
}
