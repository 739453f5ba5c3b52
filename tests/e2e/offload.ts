// Checksum offload, off: labs hide wrong checksums otherwise.
import type { Lab } from "./harness.ts";

/** What veth leaves unfinished a real card would see: with this off, a wrong checksum is dropped. */
export async function switchOffloadOff(lab: Lab, namespace: string): Promise<void> {
  const { nodes } = await lab.json<{ nodes: { name: string }[] }>(
    "lab",
    "status",
    "--name",
    lab.name,
  );
  for (const { metadata } of await lab.pods(namespace))
    await lab.exec(namespace, metadata.name, ["ethtool", "-K", "eth0", "tx", "off"]);
  for (const { name: node } of nodes) {
    const devices = await lab.nodeExec(node, ["ip", "-br", "link"]);
    const names = devices.stdout
      .split("\n")
      .map((line) => line.split(/[\s@]/)[0])
      .filter((name) => name && name !== "lo");
    await lab.nodeExec(node, [
      "sh",
      "-c",
      names.map((name) => `ethtool -K ${name} tx off 2>/dev/null`).join("; "),
    ]);
  }
  await lab.worldExec(["ethtool", "-K", "eth0", "tx", "off"]);
}
