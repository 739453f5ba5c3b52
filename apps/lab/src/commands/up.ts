// `tsilium lab up`: starts the daemon and shows its progress until the lab is ready.
import { type ChildProcess, spawn } from "node:child_process";
import { ConfigError } from "@tsilium/runtime/config.ts";
import { loadConfig } from "../../../agent/src/config/load.ts";
import { agentFlags, agentSettings } from "../cluster/processes.ts";
import { labSettings, type Settings } from "../cluster/settings.ts";
import { LabError } from "../error.ts";
import { labLayout, maximumNodes } from "../layout.ts";
import { appCommand } from "../runner/runner.ts";
import type { LabOptions, UpMessage } from "../up-protocol.ts";
import { needRoot } from "./root.ts";

export type UpOptions = {
  readonly nodes: number;
  readonly set?: readonly string[];
  readonly wait?: true;
};

const interrupted = 130;

/** @throws LabError; the lab is gone again then. */
export async function up(name: string, options: UpOptions): Promise<void> {
  needRoot();
  if (options.nodes > maximumNodes)
    throw new LabError("bad_setting", `--nodes: a lab has at most ${maximumNodes} nodes`);
  const settings = parseSettings(options.set ?? []);
  checkSettings(name, settings);
  const begun = performance.now();
  const daemon = startDaemon({ name, nodes: options.nodes, settings, wait: options.wait === true });
  if (!(await follow(daemon, begun))) return;
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(`lab "${name}" is ready after ${seconds} s`);
}

/** "key=value" each. @throws LabError "bad_setting" */
function parseSettings(texts: readonly string[]): Settings {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
      throw new LabError("bad_setting", `--set ${text}: wanted key=value`);
    }),
  );
}

/** Has the agent's own configuration judge the settings, before anything is started. @throws LabError "bad_setting" */
function checkSettings(name: string, settings: Settings): void {
  const lab = labLayout(name);
  const node = lab.node(1);
  const flags = {
    ...agentSettings(lab, node, { ...labSettings, ...settings }),
    ...agentFlags(node),
  };
  try {
    loadConfig(
      Object.entries(flags).map(([key, value]) => `--${key}=${value}`),
      {},
    );
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const problems = error.problems.map((problem) =>
      problem.replace(/^--([\w-]+): (?:\1: )?/, "--set $1: "),
    );
    throw new LabError("bad_setting", problems.join("\n"), "docs/configuration.md has every key.");
  }
}

function startDaemon(options: LabOptions): ChildProcess {
  const [node, ...script] = appCommand("lab-daemon", "apps/lab/src/daemon.ts") as [string];
  // A session of its own: what is typed at this terminal does not reach it.
  return spawn(node, [...script, JSON.stringify(options)], {
    detached: true,
    cwd: "/",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
}

/** Shows progress until the lab is ready; false when a signal ended it. @throws LabError what the daemon failed of */
async function follow(daemon: ChildProcess, begun: number): Promise<boolean> {
  let stopped = false;
  const interrupt = (signal: NodeJS.Signals) => {
    console.error(`${signal}: taking the lab down again`);
    process.exitCode = interrupted;
    stopped = true;
    daemon.kill("SIGTERM");
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt).on("SIGHUP", interrupt);
  try {
    await outcome(daemon, begun);
    return true;
  } catch (error) {
    if (stopped) return false;
    throw error;
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt).off("SIGHUP", interrupt);
  }
}

function outcome(daemon: ChildProcess, begun: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let failure: LabError | undefined;
  daemon.on("message", (message: UpMessage) => {
    switch (message.kind) {
      case "progress":
        console.error(`[${((performance.now() - begun) / 1000).toFixed(1)} s] ${message.text}`);
        break;
      case "ready":
        daemon.disconnect();
        daemon.unref();
        resolve();
        break;
      case "failed":
        failure = new LabError("start_failed", message.message, message.hint);
        break;
    }
  });
  daemon.once("error", reject);
  daemon.once("exit", (status, signal) =>
    reject(
      failure ??
        new LabError("start_failed", `the lab's daemon ended (${signal ?? `status ${status}`})`),
    ),
  );
  return promise;
}
