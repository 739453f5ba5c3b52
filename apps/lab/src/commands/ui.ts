// `tsilium lab ui`: the server of Hubble's page, for the lab's relay, in the foreground until Ctrl-C.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { LabError } from "../error.ts";
import type { LabLayout } from "../layout.ts";
import { appCommand } from "../runner/runner.ts";
import { runningLab } from "../state.ts";
import { needRoot } from "./root.ts";

export type UiOptions = {
  /** On the loopback; 0: any free one. */
  readonly port: number;
  readonly open: boolean;
};

/** A line of the server's log. */
type LogLine = { readonly level: string; readonly msg: string; readonly url?: string };

/** Resolves when the server has ended. @throws LabError */
export async function ui(name: string, options: UiOptions): Promise<void> {
  needRoot();
  const { lab, state } = runningLab(name);
  if (!state.processes.some((process) => process.name === "relay"))
    throw new LabError(
      "no_hubble",
      `lab "${name}" has no Hubble: it was started with enable-hubble=false`,
    );
  const server = start(lab, options.port);
  // Ctrl-C reaches it too: what it does about it is waited for.
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => server.kill("SIGTERM"));
  const problems = follow(server, options.open);
  const [status] = (await once(server, "close")) as [number | null];
  if (status !== 0)
    throw new LabError("start_failed", `the page's server ended:\n${problems.join("\n")}`);
}

function start(lab: LabLayout, port: number): ChildProcess {
  const [node, ...script] = appCommand("ui", "apps/ui/src/main.ts") as [string];
  const flags = {
    relay: `unix://${lab.relaySocket}`,
    kubeconfig: lab.kubeconfig,
    listen: `127.0.0.1:${port}`,
  };
  const args = Object.entries(flags).flatMap(([key, value]) => [`--${key}`, value]);
  return spawn(node, [...script, ...args], {
    // The channel tells the server when this process is gone, however it went.
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
}

/** Prints where the page is; answers what went wrong, as far as it was told. */
function follow(server: ChildProcess, open: boolean): string[] {
  const problems: string[] = [];
  createInterface({ input: server.stdout as NonNullable<ChildProcess["stdout"]> }).on(
    "line",
    (text) => {
      const line = parsed(text);
      if (line?.url !== undefined) announce(line.url, open);
      else if (line === undefined || line.level !== "info") problems.push(text);
    },
  );
  return problems;
}

function announce(url: string, open: boolean): void {
  console.log(`${url}\nCtrl-C ends it.`);
  const hasScreen = process.env["DISPLAY"] || process.env["WAYLAND_DISPLAY"];
  if (!open || !hasScreen || !process.stdout.isTTY) return;
  // Without a browser the address is on the screen.
  spawn("xdg-open", [url], { stdio: "ignore", detached: true })
    .on("error", () => undefined)
    .unref();
}

function parsed(text: string): LogLine | undefined {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return undefined;
  }
}
