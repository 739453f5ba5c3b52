// `tsilium version`: this program, Node and the kernel.
import { release } from "node:os";
import type { Command } from "commander";
import manifest from "../../../../package.json" with { type: "json" };
import { facts, printStructured, withOutput } from "../output.ts";

export function registerVersion(program: Command): void {
  program.version(`tsilium v${manifest.version}`, "--version", "print the version");
  withOutput(program.command("version").description("print versions")).action(
    async (_options, command: Command) => {
      const versions = { tsilium: manifest.version, node: process.version, kernel: release() };
      if (await printStructured(command, versions)) return;
      process.stdout.write(facts(Object.entries(versions)));
    },
  );
}
