// A lab in ENI mode to look around in, with its simulated account, until Ctrl-C (docs/ipam-eni.md).
//   tools/with-node.sh node tests/e2e/eni-lab.ts
import { upEni } from "./eni-account.ts";

const name = process.argv[2] ?? "eni";
await using up = await upEni({
  nodes: 2,
  type: "m5.xlarge",
  name,
  set: {
    "ipam-pre-allocate": "4",
    "aws-release-excess-ips": "true",
    "excess-ip-release-delay": "10s",
  },
});
console.log(`lab ${up.lab.name} is up: in another terminal, export TSILIUM_LAB=${up.lab.name}`);
console.log("Ctrl-C takes it down");
// Nothing else keeps the process alive.
const alive = setInterval(() => undefined, 1 << 30);
await new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
});
clearInterval(alive);
