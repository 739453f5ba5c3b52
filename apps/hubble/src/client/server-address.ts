// Which server to ask: the one that --server, HUBBLE_SERVER or the configuration file names; else the relay of a lab
// that runs here (the one that TSILIUM_LAB names, or "lab"); else localhost:4245, as Cilium's `hubble`.
import { existsSync } from "node:fs";
import { CommandError } from "../../../cli/src/failure.ts";
import { labLayout } from "../../../lab/src/layout.ts";
import type { Environment } from "../config/file.ts";
import type { Settings } from "../config/settings.ts";

export const defaultAddress = "localhost:4245";

/** "unix:///PATH", "HOST:PORT" or "tls://HOST:PORT". @throws CommandError when TSILIUM_LAB names a lab that has no relay. */
export function serverAddress(
  settings: Pick<Settings, "text" | "flag">,
  environment: Environment,
): string {
  const given = settings.text("server");
  if (given !== "") return normal(given, settings.flag("tls"));
  const named = environment["TSILIUM_LAB"];
  const { folder, relaySocket } = labLayout(named || "lab");
  if (existsSync(relaySocket)) return `unix://${relaySocket}`;
  if (named) throw withoutRelay(named, folder, relaySocket);
  return normal(defaultAddress, settings.flag("tls"));
}

/** Other forms that gRPC's clients take. */
function normal(address: string, tls: boolean): string {
  if (address.startsWith("/")) return `unix://${address}`;
  const unix = /^unix:(?:\/\/)?(\/.*)$/.exec(address);
  if (unix) return `unix://${unix[1]}`;
  const bare = address.replace(/^(dns|passthrough):\/\/[^/]*\//, "");
  return tls && !bare.startsWith("tls://") ? `tls://${bare}` : bare;
}

function withoutRelay(lab: string, folder: string, socket: string): Error {
  if (process.geteuid?.() !== 0) {
    return new CommandError(
      `no relay of lab "${lab}" to be seen: what is in ${folder} belongs to root`,
      "Try again with sudo.",
    );
  }
  return existsSync(folder)
    ? new CommandError(
        `lab "${lab}" has no relay: there is no ${socket}`,
        `\`tsilium lab status --name ${lab}\` says how its processes are; enable-hubble=false leaves relay out.`,
      )
    : new CommandError(
        `there is no lab "${lab}"`,
        `Start it with \`tsilium lab up --name ${lab}\`, or name a server with --server or HUBBLE_SERVER.`,
      );
}
