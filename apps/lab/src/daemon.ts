// The lab's daemon: makes the lab, supervises its processes, is its kubelet, and takes it down again on
// SIGTERM. Started by `tsilium lab up`, which it tells about its progress; when that one goes away before the
// lab is ready, so does the lab.
import { Lab } from "./lab.ts";
import { type LabOptions, parseLabOptions, tell } from "./up-protocol.ts";

process.exitCode = await run(parseLabOptions(process.argv[2]));
process.exit();

async function run(options: LabOptions): Promise<number> {
  const stopping = new AbortController();
  const { signal } = stopping;
  let ready = false;
  for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
    process.on(name, () => stopping.abort(new Error(`stopped by ${name}`)));
  process.on("disconnect", () => {
    if (!ready) stopping.abort(new Error("`tsilium lab up` went away"));
  });
  let lab: Lab | undefined;
  try {
    lab = Lab.claim(options);
    const { log } = lab;
    // A fault of ours must not leave half a lab behind.
    process.on("uncaughtException", (error) => {
      log(`fault: ${error.stack}`);
      stopping.abort(error);
    });
    await lab.start(signal);
    ready = true;
    await tell({ kind: "ready" });
    process.disconnect?.();
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    return 0;
  } catch (error) {
    const { message, hint } = error as { message: string; hint?: string };
    lab?.log(`failed: ${(error as Error).stack}`);
    await lab?.down();
    lab = undefined;
    await tell({ kind: "failed", message, ...(hint === undefined ? {} : { hint }) });
    return 1;
  } finally {
    await lab?.down();
  }
}
