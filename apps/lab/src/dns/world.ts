// The world's DNS server, in the lab's daemon: sockets in the world's namespace, names from the zone file,
// which is read again when it changes.
import { watch } from "node:fs";
import { basename, dirname } from "node:path";
import { withNetns } from "@tsilium/syscall";
import type { LabLayout } from "../layout.ts";
import type { Query } from "./message.ts";
import { DnsServer } from "./server.ts";
import { openDnsSockets } from "./sockets.ts";
import { answerFromZone, readZone } from "./world-zone.ts";

/** Serves until it is disposed of. @throws SyscallError */
export async function startWorldDns(
  lab: LabLayout,
  log: (message: string) => void,
): Promise<Disposable> {
  let zone = readZone(lab.worldZone);
  const file = basename(lab.worldZone);
  const watcher = watch(dirname(lab.worldZone), { persistent: false }, (_event, changed) => {
    if (changed !== file) return;
    try {
      zone = readZone(lab.worldZone);
    } catch (error) {
      log(`${lab.worldZone}: ${(error as Error).message}; the names stay as they were`);
    }
  });
  const source = {
    answer: ({ question }: Query) => answerFromZone(question, zone),
    forward: async () => undefined,
  };
  const sockets = withNetns(lab.worldNetns, openDnsSockets);
  const server = await DnsServer.start(sockets, source, (error) =>
    log(`world DNS: ${String(error)}`),
  );
  return {
    [Symbol.dispose]: () => {
      watcher.close();
      server[Symbol.dispose]();
    },
  };
}
