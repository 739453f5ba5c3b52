// The DNS proxy of a node: a process of its own, which answers whether or not the agent runs. Wiring only.
//   node dns-proxy.mjs '{"controlSocket": "/run/tsilium/proxy/dns/control.sock", ...}'      (docs/dns-proxy.md)
import { readFileSync } from "node:fs";
import { type DnsProxyConfig, DnsProxyConfigError, parseDnsProxyConfig } from "@tsilium/dns";
import { createLog } from "@tsilium/runtime";
import manifest from "../../../package.json" with { type: "json" };
import { startDnsProxy } from "./start.ts";

const { version } = manifest;
const usage = `the DNS proxy (docs/dns-proxy.md); started by the agent

usage: dns-proxy CONFIG        CONFIG: JSON, or the absolute path of a file with it
`;

if (process.argv.includes("--help")) console.log(usage);
else if (process.argv.includes("--version")) console.log(version);
else process.exitCode = await run(process.argv[2] ?? "");

/** Runs until it is told to stop. Answers the exit status. */
async function run(argument: string): Promise<number> {
  const config = readConfig(argument);
  if (!config) return 2;
  const log = createLog({ level: "info", base: { subsystem: "dns-proxy" } });
  try {
    await using proxy = await startDnsProxy(config, { version, log });
    const signalled = new Promise<string>((resolve) => {
      for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(name));
    });
    log.info({ reason: await Promise.race([signalled, proxy.stopped]) }, "DNS proxy stops");
    return 0;
  } catch (error) {
    log.fatal({ error }, "DNS proxy cannot go on");
    return 1;
  }
}

function readConfig(argument: string): DnsProxyConfig | undefined {
  try {
    const text = argument.startsWith("/") ? readFileSync(argument, "utf8") : argument;
    return parseDnsProxyConfig(text);
  } catch (error) {
    if (!(error instanceof DnsProxyConfigError)) throw error;
    console.error(`dns-proxy: ${error.message}`);
    return undefined;
  }
}
