// The Hubble worker: a thread of the agent, so that flows never stall the loop that serves pods. Whatever it throws ends it,
// and the main thread starts another.
import { parentPort, workerData } from "node:worker_threads";
import { createLog } from "@tsilium/runtime";
import type { FromWorker, ToWorker, WorkerSetup } from "./model.ts";
import { HubbleWorker } from "./worker/hubble-worker.ts";

if (!parentPort) throw new Error("the Hubble worker is a thread of the agent");
const port = parentPort;
const setup = workerData as WorkerSetup;
const { nodeName, logLevel } = setup.settings;
const log = createLog({ level: logLevel, base: { node: nodeName, part: "hubble" } });
const worker = await HubbleWorker.start({ setup, tell, log });

// What came until now waits in the port.
port.on("message", (message: ToWorker) => {
  if (message.kind === "stop") void stop();
  else worker.take(message);
});

function tell(message: FromWorker, transfer: readonly ArrayBuffer[] = []): void {
  port.postMessage(message, [...transfer]);
}

async function stop(): Promise<void> {
  await worker[Symbol.asyncDispose]();
  port.close();
}
