// `hubble config get|set|reset|view`: the settings in force, and those in the configuration file.
import { Argument, type Command } from "commander";
import { addConfigOptions, type Context } from "./context.ts";
import { configKeys } from "../config/keys.ts";

const precedence = `
A flag counts before an environment variable, that before the configuration file, that before the default.
The variable of --tls-server-name is HUBBLE_TLS_SERVER_NAME, and so on. The file is ~/.config/hubble/config.yaml, unless
--config or HUBBLE_CONFIG names another.

Examples:
  hubble config set server tls://relay.example:4245
  HUBBLE_SERVER=unix:///var/run/tsilium/hubble.sock hubble config get server`;

export function registerConfig(program: Command, context: Context): void {
  const config = program
    .command("config")
    .description("see and change settings")
    .addHelpText("after", precedence);
  const key = () => new Argument("[key]", "which setting").choices(names);
  command(config, "view", "all settings in force").action(async () => {
    await (await import("../config/actions.ts")).view(context);
  });
  command(config, "get", "a setting in force; without a key, all")
    .addArgument(key())
    .action(async (name: string | undefined) => {
      await (await import("../config/actions.ts")).get(context, name);
    });
  command(config, "set", "write a setting into the configuration file; without a value, remove it")
    .addArgument(key().argRequired())
    .argument("[value]")
    .action(async (name: string, value: string | undefined) => {
      await (await import("../config/actions.ts")).set(context, name, value);
    });
  command(config, "reset", "remove a setting from the configuration file; without a key, all")
    .addArgument(key())
    .action(async (name: string | undefined) => {
      await (await import("../config/actions.ts")).reset(context, name);
    });

  function command(parent: Command, name: string, description: string): Command {
    const child = parent.command(name).description(description);
    addConfigOptions(child, context, "Server");
    return addConfigOptions(child, context, "Global");
  }
}

/** What the file configures; which file, no file can say. */
const names = configKeys.map(({ name }) => name).filter((name) => name !== "config");
