// The policy worker: a thread of the agent that runs the engine, so that compiling never stalls the loop that serves
// pods. It owns the policy maps; whatever it throws ends it, and the main thread starts another.
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";
import { answerQuestion } from "./answer.ts";
import { PolicyEngine } from "./engine.ts";
import { openPolicyKernel } from "./kernel.ts";
import { ListenersFile } from "./listeners/listeners-file.ts";
import type { FromWorker, ToWorker, WorkerSetup } from "./model.ts";
import type { Question } from "./questions.ts";
import { settleHeapIn } from "../heap.ts";
import { RetryTimer } from "../retry-timer.ts";

if (!parentPort) throw new Error("the policy worker is a thread of the agent");
const port = parentPort;
const { bpffs, runDir, settings, tellsNews } = workerData as WorkerSetup;
const kernel = openPolicyKernel(bpffs);
const engine = new PolicyEngine({
  kernel,
  settings,
  listenersFile: new ListenersFile(join(runDir, "proxy", "listeners.json")),
  tellsNews,
  now: () => performance.now(),
});
const retry = new RetryTimer(() => {
  engine.retry();
  run();
});
/** Addresses are written again this often. */
const refreshMs = 5 * 60_000;
const refresh = setInterval(() => {
  engine.refresh();
  run();
}, refreshMs);
/** From knowing all there is until memory is given back. */
const settleHeapMs = 2_000;
let isSettling = false;
let scheduled = false;
/** When what proxies were to acknowledge is not waited for any longer. */
let patience: NodeJS.Timeout | undefined;

port.on("message", (message: ToWorker) => {
  if (message.kind === "stop") return stop();
  take(message);
  run();
});
tell({ kind: "status", report: engine.report() });

function take(message: Exclude<ToWorker, { kind: "stop" }>): void {
  switch (message.kind) {
    case "inputs":
      return engine.add(message.sequence, message.inputs);
    case "subject":
      return engine.request(message.id, message.wanted);
    case "subject-gone":
      return engine.request(message.id, undefined);
    case "adopted":
      return engine.adopt();
    case "endpoints-moved":
      return engine.moveEndpoints(message.sequence);
    case "ask":
      return answer(message.number, message.question);
    case "listeners-acknowledged":
      return engine.acknowledge(message.acks);
    case "moved-acknowledged":
      return engine.acknowledgeMoved(message.number);
  }
}

/** Works in slices, between which messages are taken: a subject that came meanwhile is next. */
function run(): void {
  if (scheduled || !engine.isBusy) return;
  scheduled = true;
  setImmediate(() => {
    scheduled = false;
    engine.step();
    tellProxies();
    tell({ kind: "status", report: engine.report() });
    if (engine.isFailing) retry.start();
    else retry.reset();
    wait();
    settle();
    run();
  });
}

/** Before the report that counts on their answers. */
function tellProxies(): void {
  const selectors = engine.takeFqdnSelectors();
  if (selectors) tell({ kind: "fqdn-selectors", selectors });
  const wanted = engine.takeListeners();
  if (wanted) tell({ kind: "listeners", wanted });
  for (const moved of engine.takeMoved()) tell({ kind: "moved", ...moved });
}

/** Once, when all that holds is known and compiled. */
function settle(): void {
  if (isSettling || engine.isBusy || !engine.world.isSynced) return;
  isSettling = true;
  settleHeapIn(settleHeapMs);
}

function wait(): void {
  clearTimeout(patience);
  const { waitMs } = engine;
  if (waitMs === undefined) return;
  patience = setTimeout(() => {
    engine.retry();
    run();
  }, waitMs + 1);
}

function answer(number: number, question: Question): void {
  try {
    tell({ kind: "answer", number, answer: answerQuestion(engine, question) });
  } catch (error) {
    tell({ kind: "refused", number, message: (error as Error).message });
  }
}

function tell(message: FromWorker): void {
  port.postMessage(message);
}

function stop(): void {
  clearInterval(refresh);
  clearTimeout(patience);
  retry[Symbol.dispose]();
  kernel[Symbol.dispose]();
  port.close();
}
