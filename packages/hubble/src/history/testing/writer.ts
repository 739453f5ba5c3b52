// A process that stores flows until it is killed, and says after each flush up to which sequence they must survive.
//   node writer.ts FOLDER
import { History } from "../history.ts";
import { BusyNode } from "./flows.ts";

const history = await History.open({
  folder: process.argv[2] as string,
  maxBytes: 64 << 20,
  dropsMaxBytes: 16 << 20,
  maxAgeMs: 1e15,
  flushIntervalMs: 5,
  blockFlows: 1000,
});
const node = new BusyNode({ seed: 1 });
for (;;) {
  history.append(node.next(100 + (history.lastSequence % 777)));
  await history.flush();
  console.log(history.lastSequence);
}
