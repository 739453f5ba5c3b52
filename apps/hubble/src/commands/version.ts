// `hubble version`
import type { Command } from "commander";
import manifest from "../../../../package.json" with { type: "json" };

export function registerVersion(program: Command): void {
  program
    .version(`hubble v${manifest.version}`, "--version", "print the version")
    .command("version")
    .description("print versions")
    .action(() => {
      process.stdout.write(
        `hubble v${manifest.version} (Tsilium) on node ${process.version}, ${process.platform}/${process.arch}\n`,
      );
    });
}
