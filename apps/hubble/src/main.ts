// The hubble command line.
import { explainFailure } from "../../cli/src/failure.ts";
import { commandArguments } from "./commands/arguments.ts";
import { newContext } from "./commands/context.ts";
import { createProgram } from "./program.ts";

// A reader that closes early (`hubble observe | head`) ends the command quietly.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}

// What no call was there to catch: a server whose bytes are no HTTP/2, say.
process.on("uncaughtException", (error) => {
  console.error(explainFailure(error));
  process.exit(1);
});

const program = createProgram(newContext());
try {
  await program.parseAsync(commandArguments(program, process.argv.slice(2)), { from: "user" });
} catch (error) {
  console.error(explainFailure(error));
  process.exitCode = 1;
}
// What is still on its way to a slow reader arrives; connections need no farewell.
if (process.stdout.writableLength > 0)
  await new Promise((resolve) => process.stdout.once("drain", resolve));
process.exit();
