// One kernel: fetches it if need be, boots it, runs the tests in it. The last line is the guest's counts.
//   node tools/kernels/boot.ts LINE [PATTERN]      LINE: 6.1
import { fetchKernel } from "./debian.ts";
import { runGuest } from "./machine.ts";

/** Several times what a run takes on two free processors: for hung guests, not for slow ones. */
const timeLimitMs = 20 * 60_000;

const [line = "", pattern = ""] = process.argv.slice(2);
let lastLines = "";
const ending = await runGuest({ kernel: fetchKernel(line), pattern, timeLimitMs }, (text) => {
  process.stdout.write(text);
  lastLines = (lastLines + text).slice(-1000);
});

if (!/\d+ passed, \d+ failed, \d+ skipped\n$/.test(lastLines)) {
  console.log(`\nthe guest ${ending.inTime ? "ended early" : "hung and was ended"}; its console:`);
  console.log(ending.console.split("\n").slice(-30).join("\n"));
  process.exitCode = 1;
}
