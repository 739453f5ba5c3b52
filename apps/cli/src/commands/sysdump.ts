// `tsilium sysdump`: everything that is needed to find out what is amiss, in one file, and no secret.
import type { Command } from "commander";
import { CommandError } from "../failure.ts";
import { printable, printStructured, withOutput } from "../output.ts";
import type { TaskReport } from "../sysdump/collect.ts";

type Options = {
  readonly outputFilename?: string;
  readonly nodeList?: string;
  readonly quick?: true;
  readonly logsLimitBytes: string;
  readonly hubbleFlowsCount: string;
  readonly conntrackCount: string;
  readonly timeout: string;
};

export function registerSysdump(program: Command): void {
  withOutput(
    program
      .command("sysdump")
      .description("write all that helps to find a fault into one archive, without secrets"),
  )
    .option("--output-filename <name>", "archive to write, with or without .tar.gz")
    .option("--node-list <names>", "only these nodes of the lab, separated by commas")
    .option("--quick", "without connections, translations, policy tables and flows")
    .option("--logs-limit-bytes <number>", "of each log, its end", "4194304")
    .option("--hubble-flows-count <number>", "of each node, its last flows; 0: none", "10000")
    .option("--conntrack-count <number>", "connections and translations of each node", "10000")
    .option("--timeout <seconds>", "for each thing that is asked for", "20")
    .addHelpText(
      "after",
      `
Examples:
  tsilium sysdump
  tsilium sysdump --node-list node-2 --quick --output-filename /tmp/dump
  tsilium sysdump -o json | jq '.tasks[] | select(.error)'`,
    )
    .action(async (options: Options, command: Command) => {
      const { sysdump } = await import("../sysdump/sysdump.ts");
      const stop = new AbortController();
      const interrupt = () => stop.abort(new CommandError("interrupted: nothing was written"));
      process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
      const summary = await sysdump({
        command,
        path: options.outputFilename,
        nodes: options.nodeList?.split(",").map((name) => name.trim()),
        quick: options.quick === true,
        logBytes: wholeNumber("logs-limit-bytes", options.logsLimitBytes),
        flows: wholeNumber("hubble-flows-count", options.hubbleFlowsCount),
        connections: wholeNumber("conntrack-count", options.conntrackCount),
        timeoutMs: wholeNumber("timeout", options.timeout) * 1000,
        onProgress: tell,
        signal: stop.signal,
      }).finally(() => process.off("SIGINT", interrupt).off("SIGTERM", interrupt));
      if (await printStructured(command, summary)) return;
      const missing = summary.tasks.filter(({ error }) => error !== undefined);
      for (const { name, error = "" } of missing)
        process.stdout.write(`missing: ${name}: ${printable(error)}\n`);
      process.stdout.write(
        `${printable(summary.path)}: ${summary.tasks.length - missing.length} files of ${summary.nodes.length} nodes, ${Math.ceil(summary.bytes / 1024)} KiB\n`,
      );
    });
}

/** On stderr, so that what is printed is the result alone. On a terminal in one line. */
function tell({ name, error }: TaskReport, done: number, of: number): void {
  if (process.stderr.isTTY) {
    process.stderr.write(`\r\u001b[K[${done}/${of}] ${printable(name)}${done === of ? "\n" : ""}`);
    return;
  }
  if (error !== undefined || done === of || done % 25 === 0)
    process.stderr.write(`[${done}/${of}] ${printable(name)}${error ? ": missing" : ""}\n`);
}

function wholeNumber(name: string, text: string): number {
  if (/^[0-9]{1,12}$/.test(text)) return Number(text);
  throw new CommandError(`--${name}: "${text}" is no whole number`);
}
